from datetime import timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import Category, ContentError, Media
from recado_core.engine.accept.composing import Composing
from recado_core.engine.accept.frames import (
    ALIKE,
    OWN,
    Frame,
    alike_of,
    framed,
    framed_together,
    own_of,
)
from recado_core.engine.channels import SmsChannel
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.drafts import Draft, compose, new_row
from recado_core.engine.settings import RouteMatch, RouteSettings
from recado_core.engine.templates.variants import (
    Template,
    Variant,
    VendorTemplate,
    store_variant,
)
from recado_core.testing.clock import MONDAY_NOON

CHANNELS = {"sms": SmsChannel()}
TEMPLATES = {
    name: Template(name=name, variants=[store_variant(variant)])
    for name, variant in {
        "hello": Variant(text="Oi, {{ name }}!"),
        "vendors": Variant(provider_template=VendorTemplate(name="HX1")),
        "both": Variant(text="Oi!", provider_template=VendorTemplate(name="HX1")),
    }.items()
}
LIKE = {
    "sender_id": "Shop",
    "category": Category.MARKETING,
    "priority": 7,
    "scheduled_at": MONDAY_NOON + timedelta(hours=1),
    "expires_at": MONDAY_NOON + timedelta(hours=2),
    "cost_centre": "shop",
}
NAMES = ["main", "other"]


def row_of(draft, message_id=None):
    composed = compose(draft, CHANNELS, "BR", MONDAY_NOON, TEMPLATES)
    return new_row(composed, NAMES, MONDAY_NOON, message_id=message_id)


def frame_of(**fields):
    row = row_of(Draft(**{"to": "+5511900000009", "text": "a", "reference": "other"} | fields))
    return Frame(channel=CHANNELS["sms"], row=row, names=NAMES, checks=())


def taken(draft, frame):
    return framed(frame, draft, "BR", TEMPLATES, "one")


some_text = st.sampled_from(
    ["oi", "Olá, ção", "Oi, {{ name }}!", "x" * 200, "", " ", "\0", "\ud800"]
)
own = st.fixed_dictionaries(
    {
        "to": st.sampled_from(
            ["+5511900000001", "(11) 90000-0002", "+12025550100", "28282", "x", ""]
        )
    },
    optional={
        "text": some_text | st.text(max_size=200),
        "template": st.sampled_from(["hello", "vendors", "both", "none"]),
        "variables": st.sampled_from([{}, {"name": "Ana"}, {"name": "\0"}, {"name": []}]),
        "language": st.sampled_from(["pt-BR", "?"]),
        "transliterate": st.booleans(),
        "reference": st.sampled_from(["r", "", "r" * 256, "\0"]),
        "metadata": st.sampled_from([{}, {"a": 1}, {"a": "x" * 9000}]),
        "document": st.sampled_from(["123.456.789-09", "1"]),
        "media": st.sampled_from([[], [Media(url="https://example.com/a")]]),
    },
)


@pytest.mark.parametrize("like", [{}, LIKE])
@given(own)
def test_a_framed_row_is_the_one_that_the_rule_makes(like, fields):
    draft = Draft(**like, **fields)
    row = taken(draft, frame_of(**like))
    if row is None:
        return
    assert row == row_of(draft, "one")


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "oi"},
        {"text": "Olá, ção", "reference": "r", "metadata": {"a": 1}},
        {"text": "Oi, {{ name }}!", "variables": {"name": "Ana"}, "transliterate": True},
        {"template": "hello", "variables": {"name": "Ana"}},
    ],
)
@pytest.mark.parametrize("like", [{}, LIKE])
def test_what_has_nothing_wrong_is_framed(like, fields):
    draft = Draft(to="(11) 90000-0001", **like, **fields)
    assert taken(draft, frame_of(**like)) == row_of(draft, "one")


@given(own)
def test_what_the_rule_refuses_is_never_framed(fields):
    draft = Draft(**fields)
    try:
        row_of(draft)
    except DraftError:
        assert taken(draft, frame_of()) is None


plain = st.fixed_dictionaries(
    {
        "to": st.sampled_from(["+5511900000001", "(11) 90000-0002", "+12025550100", "28282"]),
        "text": st.sampled_from(["oi", "Olá, ção", "x" * 200]) | some_text,
    },
    optional={
        "reference": st.sampled_from(["r", "", "\0"]),
        "metadata": st.sampled_from([{}, {"a": 1}, {"a": "x" * 9000}]),
    },
)


def taken_together(drafts, frame):
    own = own_of(drafts)
    ids = [str(number) for number in range(len(drafts))]
    return None if own is None else framed_together(frame, own, "BR", ids)


@pytest.mark.parametrize("like", [{}, LIKE])
@given(st.lists(plain, min_size=1, max_size=3))
def test_rows_framed_together_are_those_that_the_rule_makes(like, fields):
    drafts = [Draft(**like, **each) for each in fields]
    rows = taken_together(drafts, frame_of(**like))
    if rows is None:
        return
    assert rows == [row_of(draft, str(number)) for number, draft in enumerate(drafts)]


@pytest.mark.parametrize("like", [{}, LIKE])
def test_mere_texts_with_nothing_wrong_are_framed_together(like):
    drafts = [
        Draft(to="(11) 90000-0001", text="oi", **like),
        Draft(to="+12025550100", text="Olá, ção", reference="r", metadata={"a": 1}, **like),
        Draft(to="+5511900000002", text="x" * 200, **like),
    ]
    rows = taken_together(drafts, frame_of(**like))
    assert rows == [row_of(draft, str(number)) for number, draft in enumerate(drafts)]


@pytest.mark.parametrize(
    "odd",
    [
        {"text": None, "template": "hello", "variables": {"name": "Ana"}},
        {"text": None},
        {"text": "\ud800"},
        {"text": " "},
        {"variables": {}},
        {"transliterate": True},
        {"language": "pt-BR"},
        {"document": "123.456.789-09"},
        {"media": []},
        {"to": "28282"},
        {"reference": ""},
        {"metadata": {"a": "x" * 9000}},
        {"category": Category.OTP},
        {"scheduled_at": MONDAY_NOON + timedelta(hours=3)},
        {"expires_at": LIKE["expires_at"].astimezone(timezone(timedelta(hours=-3)))},
        {"cost_centre": None},
    ],
)
def test_drafts_with_an_odd_one_among_them_are_not_framed_together(odd):
    fields = {"to": "+5511900000001", "text": "oi"} | LIKE
    usual, other = Draft(**fields), Draft(**fields | odd)
    for drafts in ([usual, usual, other], [usual, other, usual], [other, usual, usual]):
        assert taken_together(drafts, frame_of(**LIKE)) is None
    assert taken_together([usual, usual], frame_of(**LIKE)) is not None


def test_a_frame_is_left_as_it_is():
    frame = frame_of()
    before = dict(frame.row)
    draft = Draft(to="+5511900000001", text="Olá", metadata={"a": 1})
    taken(draft, frame)
    taken_together([draft], frame)
    assert frame.row == before


def test_all_fields_of_a_draft_are_alike_or_its_own():
    known = {*ALIKE, "to", "text", "template", "language", "variables", "transliterate"}
    known |= {"reference", "document", "metadata", "media"}
    assert known == set(Draft.__struct_fields__)
    assert known.difference(ALIKE).issuperset(OWN)
    offsets = [at.utcoffset() for at in (LIKE["scheduled_at"], LIKE["expires_at"])]
    assert alike_of(Draft(to="a", **LIKE)) == (None, None, *LIKE.values(), *offsets)


def test_one_moment_written_in_two_ways_is_not_alike():
    west = MONDAY_NOON.astimezone(timezone(timedelta(hours=-3)))
    for name in ("scheduled_at", "expires_at"):
        first, same, other = (
            alike_of(Draft(to="a", text="oi", **{name: at}))
            for at in (MONDAY_NOON, MONDAY_NOON, west)
        )
        assert first == same
        assert first != other


# ---------------------------------------------------------------- with routes, and with providers


class Refusing:
    """A provider's check that can't be hashed, and refuses some texts."""

    __hash__ = None

    def __init__(self, word):
        self.word = word

    def __call__(self, message):
        if self.word in message.text:
            raise ContentError(f"never {self.word}")

    def __eq__(self, other):
        return self is other


def composing(**checks):
    kinds = {
        name: SimpleNamespace(
            check_message=check, channels={"sms"}, capabilities=SimpleNamespace(templates=True)
        )
        for name, check in checks.items()
    }
    routes = [
        RouteSettings(accounts=["plain"], match=RouteMatch(prefix="+1")),
        RouteSettings(accounts=["first", "second"]),
    ]
    accounts = SimpleNamespace(
        by_name={name: SimpleNamespace(kind=kind) for name, kind in kinds.items()},
        paused=lambda: {"first"},
    )
    settings = SimpleNamespace(routes=routes, default_region="BR")
    return Composing(settings, SimpleNamespace(channels=CHANNELS), accounts, None, None)


async def each_alone(made_by, drafts):
    ends = []
    for draft in drafts:
        try:
            ends.append((await made_by.row(draft, MONDAY_NOON)).row)
        except DraftError as error:
            ends.append(error.faults)
    return ends


async def test_rows_at_once_are_what_each_is_alone_whatever_its_route_and_providers_say():
    made_by = composing(plain=None, first=Refusing("one"), second=Refusing("two"))
    texts = ["oi", "one", "two", "one two", ""]
    drafts = [
        Draft(to=to, text=text)
        for text in texts * 2
        for to in ("+5511900000001", "+12025550100", "28282")
    ]
    made = await made_by.rows(drafts, MONDAY_NOON)
    at_once = [each.faults if isinstance(each, DraftError) else each.row for each in made]
    alone = await each_alone(made_by, drafts)
    for end in (*at_once, *alone):
        if isinstance(end, dict):
            del end["id"]
    assert at_once == alone
    assert {end["account"] for end in alone if isinstance(end, dict)} == {
        "plain",
        "first",
        "second",
    }


@pytest.mark.parametrize("check", [None, Refusing("one")])
async def test_rows_of_mere_texts_are_what_each_is_alone_even_if_one_of_them_is_refused(check):
    made_by = composing(plain=None, first=check, second=check)
    for last in ("Olá", "one", ""):
        drafts = [
            Draft(to=f"+551190000000{n}", text=text, account="first", reference=str(n))
            for n, text in enumerate(["oi", "Olá, ção", last])
        ]
        made = await made_by.rows(drafts, MONDAY_NOON)
        at_once = [each.faults if isinstance(each, DraftError) else each.row for each in made]
        alone = await each_alone(made_by, drafts)
        for end in (*at_once, *alone):
            if isinstance(end, dict):
                del end["id"]
        assert at_once == alone
