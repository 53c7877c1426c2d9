import asyncio
import json
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    Category,
    Outcome,
    Recipient,
    Secret,
    SendResult,
    SuppressionReason,
)
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.failures import DraftError, IdempotencyMismatchError, NotFoundError
from recado_core.engine.policy import is_suppressed_by
from recado_core.engine.settings import DoNotDisturbSettings
from recado_core.engine.store import schema
from recado_core.engine.store.statements import suppressions
from recado_core.engine.suppressions.suppressing import Entry
from recado_core.engine.suppressions.suppressions import (
    AskedRecipient,
    CheckRequest,
    NewSuppression,
    SuppressionFilter,
)
from recado_core.testing import Clock

pytestmark = pytest.mark.whole

ANA, BIA = "+5511900000001", "+5511900000002"
CPF, OTHER_CPF = "123.456.789-09", "529.982.247-25"


async def test_an_entry_is_found_once_however_often_its_address_is_asked_for(house):
    new = NewSuppression(address=ANA, reason=SuppressionReason.MANUAL)
    await house.engine.suppressions.add(new)
    async with house.database.glance() as connection:
        for documents in ([], ["a hash"]):
            found = await suppressions.concerning(connection, [ANA, BIA, ANA], documents)
            assert [row["address"] for row in found] == [ANA]


@pytest.fixture
def suppress(house):
    async def add(address=ANA, **fields):
        new = msgspec.convert({"address": address} | fields, NewSuppression)
        return json.loads((await house.engine.suppressions.add(new)).body)

    return add


async def reasons(house, address=ANA, document=None, **asked):
    """Tell what the checks say of one recipient: a list of (check, reason)."""
    request = CheckRequest(
        recipients=[AskedRecipient(address=address, document=document)],
        **{"category": Category.TRANSACTIONAL} | asked,
    )
    found = (await house.engine.suppressions.check(request)).results[0]
    assert found.allowed is (not found.reasons)
    return [(each.check, each.reason) for each in found.reasons]


async def events(house, kind):
    async with house.database.read() as connection:
        found = await connection.execute(
            sa.select(schema.events).where(schema.events.c.type == kind).order_by("id")
        )
        return [row.data for row in found]


async def test_message_to_a_suppressed_address_is_suppressed_and_costs_no_call(house, suppress):
    await suppress(reason="complaint")
    message_id = await house.accept(to=ANA)
    await house.settle()
    shown = await house.show(message_id)
    assert (shown.status, shown.code, shown.status_text) == (
        "suppressed",
        "suppressions",
        "complaint",
    )
    assert shown.events[-1].data["reasons"] == [
        {"check": "suppressions", "reason": "complaint", "until": None}
    ]
    assert house.vendor.batches == []


async def test_suppression_between_accept_and_dispatch_stops_the_message(house, suppress):
    message_id = await house.accept(to=ANA)
    await suppress()
    await house.settle()
    assert await house.status(message_id) == "suppressed"
    assert house.vendor.batches == []


async def test_opt_out_by_reply_stops_what_is_queued_and_nothing_of_others(house):
    ana, bia = await house.accept(to=ANA), await house.accept(to=BIA)
    await house.webhook(
        ["message", {"provider_ref": "mo-1", "sender": ANA, "text": "sair", "channel": "sms"}]
    )
    await house.engine.receive.process()
    await house.settle()
    assert await house.statuses([ana, bia]) == ["suppressed", "sent"]
    texts = {message.to: message.text for message in house.vendor.sent}
    assert set(texts) == {ANA, BIA}
    assert texts[ANA].startswith("Pronto")


async def test_scheduled_message_is_checked_again_when_its_time_has_come(house, suppress):
    at = house.clock.now() + timedelta(hours=1)
    message_id = await house.accept(to=ANA, scheduled_at=at)
    await suppress()
    await house.advance(3700)
    assert await house.status(message_id) == "suppressed"


async def test_entry_ends_with_its_time_and_says_so(house, suppress):
    until = house.clock.now() + timedelta(hours=1)
    await suppress(expires_at=until.isoformat())
    assert await reasons(house) == [("suppressions", "manual")]
    await house.advance(3601)
    assert await reasons(house) == []
    (gone,) = await events(house, "suppression.removed")
    assert (gone["address"], gone["reason"]) == (ANA, "manual")
    assert (await house.engine.suppressions.list(SuppressionFilter())).items == []


async def test_of_several_entries_the_last_to_end_is_told(house, suppress):
    soon = house.clock.now() + timedelta(days=1)
    later = soon + timedelta(days=1)
    await suppress(reason="blacklist", expires_at=later.isoformat())
    await suppress(reason="complaint", expires_at=soon.isoformat())
    asked = CheckRequest(recipients=[AskedRecipient(address=ANA)])
    (told,) = (await house.engine.suppressions.check(asked)).results[0].reasons
    assert (told.reason, told.until) == ("blacklist", later)
    await suppress(reason="opt_out")
    (told,) = (await house.engine.suppressions.check(asked)).results[0].reasons
    assert (told.reason, told.until) == ("opt_out", None)


async def test_message_scheduled_for_after_the_end_of_an_entry_is_accepted(house, suppress):
    now = house.clock.now()
    await suppress(expires_at=(now + timedelta(hours=1)).isoformat())
    later = await house.accept(to=ANA, scheduled_at=now + timedelta(hours=2))
    assert await house.status(later) == "scheduled"


async def test_entry_of_a_category_concerns_no_other(house, suppress):
    await suppress(category="marketing")
    assert await reasons(house, category=Category.MARKETING) == [("suppressions", "manual")]
    assert await reasons(house, category=Category.TRANSACTIONAL) == []
    assert await reasons(house, category=Category.OTP) == []


@pytest.mark.parametrize(
    ("listed", "to"),
    [("+551188887777", "+5511988887777"), ("+5511988887777", "+551188887777")],
)
async def test_entry_concerns_a_mobile_with_the_ninth_digit_and_without(
    house, suppress, listed, to
):
    await suppress(address=listed)
    assert await reasons(house, address=to) == [("suppressions", "manual")]
    assert not await reasons(house, address="+5521988887777")


async def test_document_narrows_an_entry_to_one_person(house, suppress):
    await suppress(document=CPF)
    assert await reasons(house, document=CPF) == [("suppressions", "manual")]
    assert await reasons(house, document=OTHER_CPF) == []
    assert await reasons(house) == []


async def test_document_alone_suppresses_the_person_at_every_address(house):
    new = NewSuppression(document=CPF.replace(".", "").replace("-", ""))
    await house.engine.suppressions.add(new)
    assert await reasons(house, BIA, document=CPF) == [("suppressions", "manual")]
    assert await reasons(house, BIA) == []
    message_id = await house.accept(to=BIA, document=CPF)
    assert await house.status(message_id) == "suppressed"


async def test_document_still_counts_when_the_message_is_sent(house):
    message_id = await house.accept(to=BIA, document=CPF)
    await house.engine.suppressions.add(NewSuppression(document=CPF))
    await house.settle()
    assert await house.status(message_id) == "suppressed"


async def test_document_is_stored_as_a_hash_that_needs_the_key(open_house, database_url):
    found = set()
    for key in ("a-key-of-sixteen-letters", "another-key-of-sixteen"):
        async with open_house(document_key=Secret(key)) as house:
            await house.engine.suppressions.add(NewSuppression(document=CPF))
    async with house_database(database_url) as rows:
        found = {row.document_hash for row in rows}
        stored = repr(rows)
    assert len(found) == 2
    assert "12345678909" not in stored
    assert CPF not in stored


def house_database(url):
    class Rows:
        async def __aenter__(self):
            self.engine = sa.ext.asyncio.create_async_engine(url)
            async with self.engine.begin() as connection:
                return (await connection.execute(sa.select(schema.suppressions))).all()

        async def __aexit__(self, *_):
            await self.engine.dispose()

    return Rows()


async def test_key_that_the_gateway_made_is_the_same_after_a_restart(open_house):
    async with open_house() as house:
        await house.engine.suppressions.add(NewSuppression(document=CPF))
    async with open_house() as house:
        assert await reasons(house, document=CPF) == [("suppressions", "manual")]


@pytest.mark.parametrize(
    "document", ["123", "123.456.789-00", "", "12345678909\0", "abc", "111.111.111-11"]
)
async def test_what_is_no_cpf_is_refused_and_not_shown(house, document):
    with pytest.raises(DraftError) as caught:
        await house.engine.suppressions.add(NewSuppression(document=document))
    assert [fault.pointer for fault in caught.value.faults] == ["/document"]
    with pytest.raises(DraftError) as caught:
        await house.accept(to=ANA, document=document)
    assert "/document" in str(caught.value)
    assert not document or document not in str(caught.value)


async def test_do_not_disturb_entry_concerns_marketing_and_never_otp(open_house):
    for transactional in (False, True):
        settings = DoNotDisturbSettings(transactional=transactional)
        async with open_house(do_not_disturb=settings) as house:
            await house.engine.suppressions.add(
                NewSuppression(address=ANA, reason=SuppressionReason.DO_NOT_DISTURB)
            )
            stopped = {
                category: bool(await reasons(house, category=category)) for category in Category
            }
        assert stopped == {
            Category.MARKETING: True,
            Category.TRANSACTIONAL: transactional,
            Category.OTP: False,
        }


async def test_same_entry_again_is_the_same_entry(house, suppress):
    first, again = await suppress(), await suppress()
    assert first == again
    assert len(await events(house, "suppression.added")) == 1


async def test_entry_lasts_as_long_as_the_longer_of_two_that_are_the_same(house, suppress):
    soon, later = (house.clock.now() + timedelta(hours=hours) for hours in (1, 2))
    await suppress(expires_at=later.isoformat())
    assert (await suppress(expires_at=soon.isoformat()))["expires_at"] == later.isoformat().replace(
        "+00:00", "Z"
    )
    assert (await suppress())["expires_at"] is None


async def test_two_writers_at_once_keep_one_entry_and_the_later_end(house):
    suppressing, now = house.engine.suppressions._suppressing, house.clock.now()  # noqa: SLF001
    entry = {"address": ANA, "channel": "sms", "reason": SuppressionReason.OPT_OUT}
    for_ever = Entry(**entry, source="reply")
    short = Entry(**entry, source="import", expires_at=now + timedelta(days=1))

    async def put_short():
        async with house.database.transaction() as connection:
            return await suppressing.put(connection, [short], now)

    async with house.database.transaction() as connection:
        first = await suppressing.put(connection, [for_ever], now)
        task = asyncio.create_task(put_short())
        await asyncio.sleep(0.3)  # on PostgreSQL it has looked by now, and waits to write
    second = await task
    (item,) = (await house.engine.suppressions.list(SuppressionFilter(address=ANA))).items
    assert (item.expires_at, item.source) == (None, "reply")
    assert item.id == first.rows[0]["id"] == second.rows[0]["id"]
    assert not second.added


async def test_call_with_the_same_key_is_answered_alike(house):
    key = IdempotencyKey(owner="me", key="k", fingerprint="f")
    first = await house.engine.suppressions.add(NewSuppression(address=ANA), key)
    again = await house.engine.suppressions.add(NewSuppression(address=ANA), key)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.replayed
    other = IdempotencyKey(owner="me", key="k", fingerprint="g")
    with pytest.raises(IdempotencyMismatchError):
        await house.engine.suppressions.add(NewSuppression(address=BIA), other)
    assert await reasons(house, BIA) == []


async def test_call_answered_with_a_mismatch_adds_nothing(open_house):
    async with open_house() as one, open_house() as two:
        for house in (one, two):  # neither node has seen the key when the call comes
            house.engine.suppressions._once._lookups.submit = nothing  # noqa: SLF001
        keys = [IdempotencyKey(owner="o", key="k", fingerprint=each) for each in "ab"]
        await one.engine.suppressions.add(NewSuppression(address=ANA), keys[0])
        with pytest.raises(IdempotencyMismatchError):
            await two.engine.suppressions.add(NewSuppression(address=BIA), keys[1])
        again = await two.engine.suppressions.add(NewSuppression(address=ANA), keys[0])
        assert again.replayed
        page = await one.engine.suppressions.list(SuppressionFilter())
        assert [item.address for item in page.items] == [ANA]


async def nothing(_):
    return None


async def test_removed_entry_stops_nothing_and_is_gone_only_once(house, suppress):
    entry = await suppress()
    await house.engine.suppressions.remove(entry["id"])
    assert await reasons(house) == []
    with pytest.raises(NotFoundError):
        await house.engine.suppressions.remove(entry["id"])


async def test_list_is_narrowed_and_paged(house, suppress):
    for index in range(5):
        await suppress(f"+551190000001{index}", reason="complaint", source="crm")
    await suppress(ANA, document=CPF)
    everything = house.engine.suppressions
    first = await everything.list(SuppressionFilter(source="crm"), limit=3)
    rest = await everything.list(SuppressionFilter(source="crm"), 3, first.next_cursor)
    assert [len(first.items), len(rest.items), rest.next_cursor] == [3, 2, None]
    assert len({item.address for item in first.items + rest.items}) == 5
    found = await everything.list(SuppressionFilter(document=CPF))
    assert [(item.address, item.by_document) for item in found.items] == [(ANA, True)]
    with pytest.raises(DraftError):
        await everything.list(SuppressionFilter(), cursor="nonsense")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"address": None}, "/address"),
        ({"address": "12"}, "/address"),
        ({"channel": "telex"}, "/channel"),
        ({"source": ""}, "/source"),
        ({"source": "a\nb"}, "/source"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
async def test_fault_of_an_entry_is_pointed_at(house, fields, pointer):
    new = msgspec.convert({"address": ANA} | fields, NewSuppression)
    with pytest.raises(DraftError) as caught:
        await house.engine.suppressions.add(new)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


async def test_bad_recipient_spoils_no_other_in_a_check(house, suppress):
    await suppress()
    request = CheckRequest(
        recipients=[
            AskedRecipient(address="12"),
            AskedRecipient(address="11 90000-0001"),
            AskedRecipient(address=BIA, document="1"),
            AskedRecipient(address=BIA),
        ]
    )
    results = (await house.engine.suppressions.check(request)).results
    assert [(each.address, each.allowed) for each in results] == [
        ("12", False),
        (ANA, False),
        (BIA, False),
        (BIA, True),
    ]
    assert [[reason.check for reason in each.reasons] for each in results] == [
        ["address"],
        ["suppressions"],
        ["document"],
        [],
    ]


@pytest.mark.parametrize("source", ["provider:main", "Provider:x", "provider:"])
async def test_client_does_not_speak_as_a_provider(suppress, source):
    with pytest.raises(DraftError) as raised:
        await suppress(source=source)
    assert [fault.pointer for fault in raised.value.faults] == ["/source"]
    await suppress(source="provider")


async def test_list_finds_a_mobile_with_the_ninth_digit_and_without(house, suppress):
    await suppress(address="+551188887777")
    wanted = SuppressionFilter(address="+5511988887777")
    assert [item.address for item in (await house.engine.suppressions.list(wanted)).items] == [
        "+551188887777"
    ]


async def test_list_learns_from_what_the_provider_suppresses(open_house):
    def refuse(batch):
        return [
            SendResult(
                message_id=message.id,
                outcome=Outcome.SUPPRESSED,
                code="blacklist",
                suppression=SuppressionReason.BLACKLIST if message.to == ANA else None,
            )
            for message in batch.messages
        ]

    async with open_house() as house:
        house.vendor.answers = [refuse]
        await house.accept(to=ANA)
        await house.accept(to=BIA)
        await house.settle()
        (entry,) = (await house.engine.suppressions.list(SuppressionFilter())).items
        assert (entry.address, entry.reason, entry.source, entry.channel) == (
            ANA,
            "blacklist",
            "provider:main",
            "sms",
        )
        assert entry.expires_at == house.clock.now() + timedelta(days=90)
        assert await house.status(await house.accept(to=ANA)) == "suppressed"
        assert await house.status(await house.accept(to=BIA)) == "queued"


async def test_list_does_not_learn_what_the_provider_has_from_us(open_house):
    def refuse(batch):
        return [
            SendResult(
                message_id=message.id,
                outcome=Outcome.SUPPRESSED,
                code="blacklist",
                suppression=SuppressionReason.BLACKLIST,
            )
            for message in batch.messages
        ]

    pushing = {"main": {"push_suppressions": ["manual"]}}
    async with open_house(accounts=pushing, capabilities={"suppress": True}) as house:
        message_id = await house.accept(to=ANA)
        await house.engine.suppressions.add(
            NewSuppression(address=ANA, category=Category.MARKETING)
        )
        house.vendor.answers = [refuse]
        await house.settle()
        assert house.vendor.suppressed == {ANA}
        assert await house.status(message_id) == "suppressed"
        (entry,) = (await house.engine.suppressions.list(SuppressionFilter())).items
        assert entry.reason == "manual"
        await house.engine.suppressions.remove(entry.id)
        await house.settle()
        assert house.vendor.suppressed == set()


async def test_many_writers_of_the_same_entry_make_one(house, suppress):
    await asyncio.gather(*(suppress() for _ in range(20)))
    assert len((await house.engine.suppressions.list(SuppressionFilter())).items) == 1


TEXT = st.sampled_from(["", "a", "b"])
ENTRY = st.fixed_dictionaries(
    {
        "address": TEXT,
        "document_hash": TEXT,
        "channel": TEXT,
        "category": st.sampled_from(["", *Category]),
        "reason": st.sampled_from(list(SuppressionReason)),
        "expires_at": st.none() | st.integers(-2, 2),
    }
)
RECIPIENT = st.fixed_dictionaries(
    {
        "address": st.sampled_from(["a", "b"]),
        "document_hash": st.sampled_from([None, "a", "b"]),
        "channel": st.sampled_from(["a", "b"]),
        "category": st.sampled_from(list(Category)),
    }
)


@given(entry=ENTRY, recipient=RECIPIENT, transactional=st.booleans())
def test_entry_concerns_whom_each_of_its_fields_concerns(entry, recipient, transactional):
    now = Clock().now()
    ends = entry["expires_at"]
    expires_at = None if ends is None else now + timedelta(seconds=ends)
    found = is_suppressed_by(
        Recipient(at=now, **recipient),
        entry | {"expires_at": expires_at},
        do_not_disturb_transactional=transactional,
    )
    fits = [not entry[name] or entry[name] == recipient[name] for name in
            ("address", "document_hash", "channel", "category")]  # fmt: skip
    over = ends is not None and ends <= 0
    spared = entry["reason"] is SuppressionReason.DO_NOT_DISTURB and (
        recipient["category"] is Category.OTP
        or (recipient["category"] is Category.TRANSACTIONAL and not transactional)
    )
    assert found == (all(fits) and not over and not spared)
