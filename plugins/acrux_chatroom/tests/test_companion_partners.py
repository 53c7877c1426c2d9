import pytest
from recado_acrux_chatroom.companion.phones import is_same, search_pattern
from recado_core import TransientSendError, UnreachableError

from .odoo_rpc.companions import ANA, add_connector, add_conversation, companion_of
from .odoo_rpc.process import CONVERSATION, PARTNER, running_odoo

FORMS = (
    "+55 11 90000-0001",
    "+5511900000001",
    "5511900000001",
    "(11) 90000-0001",
    "11900000001",
    "011 90000-0001",
    "11 9 0000 0001",
    "(11) 90000-0001 (recado)",
    "(11) 3000-0001 / (11) 90000-0001",
)
OTHERS = (
    "(11) 90000-0002",
    "(21) 90000-0001",
    "90000-0001",
    "+1 190 0000 0001",
    "11 0000 0001 9",
    "",
    False,
)


@pytest.fixture(scope="module", params=(15, 17))
def any_running_odoo(request):
    with running_odoo(request.param) as odoo:
        odoo.generation = request.param
        yield odoo


async def noted(rpc, number=ANA, text="SMS enviado"):
    """Return the contacts that have a note after one was written about a number."""
    await companion_of(rpc.url).note(number, text)
    return [row["res_id"] for row in rpc.rows("mail.message")]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("written", FORMS)
def test_number_is_recognised_in_its_usual_forms(written):
    assert is_same(ANA, written)


@pytest.mark.parametrize("written", OTHERS)
def test_other_number_is_not_taken_for_it(written):
    assert not is_same(ANA, written)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("+5511987650001", "(11) 8765-0001"),
        ("+551187650001", "(11) 98765-0001"),
        ("+551130000001", "(11) 3000-0001"),
        ("+14155550123", "+1 (415) 555-0123"),
        ("+33612345678", "+33 6 12 34 56 78"),
    ],
)
async def test_contact_is_found_whatever_its_number_is_written_like(rpc, address, written):
    partner = rpc.create(PARTNER, name="Ana", phone=written)
    assert await noted(rpc, address) == [partner]


def test_landline_is_not_the_mobile_that_ends_like_it():
    assert not is_same("+5511930000001", "(11) 3000-0001")


def test_contacts_are_looked_for_by_groups_of_digits():
    assert search_pattern(ANA) == "%11%0000%0001%"
    assert search_pattern("+551130000001") == "%11%3000%0001%"
    assert search_pattern("+14155550123") == "%415%555%0123%"


# ---------------------------------------------------------------- the contact


@pytest.mark.parametrize("field", ["phone", "mobile", "phone_sanitized", "conv_standard_numbers"])
@pytest.mark.parametrize("written", FORMS[:5])
async def test_note_goes_to_the_contact_that_has_the_number(rpc, field, written):
    rpc.create(PARTNER, name="Bia", phone="(11) 90000-0002")
    partner = rpc.create(PARTNER, name="Ana", **{field: written})
    assert await noted(rpc) == [partner]


async def test_fields_that_this_odoo_lacks_or_cannot_search_are_not_asked_for(rpc):
    rpc.set_fields(PARTNER, phone_sanitized=None, conv_standard_numbers="char:unsearchable")
    partner = rpc.create(PARTNER, name="Ana", mobile=FORMS[0])
    assert await noted(rpc) == [partner]
    (search,) = [call for call in rpc.calls("search_read") if call["model"] == PARTNER]
    assert [term[0] for term in search["args"][0] if term != "|"] == ["phone", "mobile"]


async def test_odoo_with_no_field_to_search_has_nobody_with_the_number(rpc):
    fields = {"mobile": None, "phone_sanitized": None, "conv_standard_numbers": None}
    rpc.set_fields(PARTNER, phone="char:unsearchable", **fields)
    rpc.create(PARTNER, name="Ana", phone=FORMS[0])
    assert await noted(rpc) == []


async def test_note_about_a_number_of_nobody_is_left_out(rpc):
    rpc.create(PARTNER, name="Bia", phone="(11) 90000-0002")
    assert await noted(rpc) == []


async def test_number_of_two_contacts_that_have_nothing_in_common_is_of_neither(rpc):
    conversation = add_conversation(rpc, add_connector(rpc))
    for name in ("Ana", "Bia"):
        rpc.create(PARTNER, name=name, phone=FORMS[0])
    assert await noted(rpc) == []
    (row,) = rpc.rows(CONVERSATION)
    assert (row["id"], row["res_partner_id"]) == (conversation, False)


async def test_number_that_people_of_one_company_share_is_of_the_company(rpc):
    company = rpc.create(PARTNER, name="Company")
    for name in ("Ana", "Bia"):
        rpc.create(PARTNER, name=name, phone=FORMS[0], commercial_partner_id=company)
    assert await noted(rpc) == [company]


async def test_number_that_a_person_shares_with_the_company_is_of_the_company(rpc):
    company = rpc.create(PARTNER, name="Company", phone=FORMS[3])
    rpc.create(PARTNER, name="Ana", mobile=FORMS[0], commercial_partner_id=company)
    assert await noted(rpc) == [company]


async def test_number_of_very_many_is_of_nobody(rpc):
    company = rpc.create(PARTNER, name="Company")
    for index in range(100):
        values = {"name": f"Person {index}", "phone": FORMS[0]}
        rpc.create(PARTNER, **values, commercial_partner_id=company)
    assert await noted(rpc) == []


# ---------------------------------------------------------------- the conversation


async def test_contact_that_is_found_is_linked_to_the_conversation(rpc):
    add_conversation(rpc, add_connector(rpc))
    partner = rpc.create(PARTNER, name="Ana", phone=FORMS[0])
    assert await noted(rpc) == [partner]
    assert rpc.rows(CONVERSATION)[0]["res_partner_id"] == partner


async def test_contact_that_is_linked_already_is_the_one_whoever_else_has_the_number(rpc):
    linked = rpc.create(PARTNER, name="Ana")
    rpc.create(PARTNER, name="Bia", phone=FORMS[0])
    add_conversation(rpc, add_connector(rpc), res_partner_id=linked)
    assert await noted(rpc) == [linked]
    assert rpc.rows(CONVERSATION)[0]["res_partner_id"] == linked
    assert rpc.calls("write") == []


# ---------------------------------------------------------------- the note


async def test_text_of_a_note_is_never_taken_for_html(any_odoo):
    any_odoo.create(PARTNER, name="Ana", phone=FORMS[0])
    await noted(any_odoo, text="a < b & c\nd")
    (note,) = any_odoo.rows("mail.message")
    escapes = any_odoo.generation >= 17  # from 17 on, Odoo escapes it
    assert note["body"] == ("a < b & c\nd" if escapes else "a &lt; b &amp; c<br/>d")


async def test_note_is_not_sent_to_anybody(rpc):
    rpc.create(PARTNER, name="Ana", phone=FORMS[0])
    await noted(rpc)
    (call,) = rpc.calls("message_post")
    assert call["kwargs"]["subtype_xmlid"] == "mail.mt_note"


async def test_link_that_was_made_is_found_when_the_note_failed(rpc):
    add_conversation(rpc, add_connector(rpc))
    partner = rpc.create(PARTNER, name="Ana", phone=FORMS[0])
    rpc.fail("status_503", "message_post")
    with pytest.raises(UnreachableError):
        await noted(rpc)
    assert rpc.rows(CONVERSATION)[0]["res_partner_id"] == partner
    assert await noted(rpc) == [partner]


async def test_contacts_that_come_in_another_shape_are_not_guessed_at(rpc):
    rpc.create(PARTNER, name="Ana", phone=FORMS[0], commercial_partner_id="company")
    with pytest.raises(TransientSendError, match="commercial_partner_id"):
        await noted(rpc)
