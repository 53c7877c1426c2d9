import json

import msgspec
import pytest
from recado_core import Category, Refusal
from recado_core.checks import OnFailure
from recado_core.engine.accept.accepting import BatchRequest, DraftDefaults
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.drafts import MAX_BATCH
from recado_core.engine.messages.messages import MessageFilter

from .test_drafts import BAD

GOOD = {"to": "+5511900000001", "text": "oi"}


@pytest.fixture
def database_url(sqlite_url):
    """What a batch adds to single messages is the same on both databases."""
    return sqlite_url


def request_of(items, defaults=None):
    raw = [
        msgspec.Raw(item if isinstance(item, bytes) else msgspec.json.encode(item))
        for item in items
    ]
    return BatchRequest(messages=raw, defaults=defaults)


async def told_of(house, items, defaults=None):
    return json.loads((await house.engine.accept.batch(request_of(items, defaults))).body)


async def stored(house, **wanted):
    return (await house.engine.messages.list(MessageFilter(**wanted), limit=100)).items


async def test_a_bad_item_spoils_no_other(house):
    told = await told_of(
        house,
        [
            GOOD,
            {"to": "x", "text": "oi", "priority": 99},
            GOOD | {"reference": "third"},
            {"text": "oi"},
            {"to": 5511900000001, "text": "oi"},
            GOOD | {"colour": "red"},
            GOOD | {"category": "spam"},
            GOOD | {"scheduled_at": "tomorrow"},
            GOOD | {"media": [{"url": 3}]},
            3,
            None,
            b'{"to": "+5511900000001", "text": "\xff\xfe"}',
            b'{"to": "+5511900000001", "text": "oi", "metadata": {"a": 1e999}}',
            GOOD | {"reference": "last"},
        ],
    )
    assert (told["accepted"], told["rejected"], told["suppressed"]) == (3, 11, 0)
    results = told["results"]
    assert [item["index"] for item in results] == list(range(14))
    good = [results[index] for index in (0, 2, 13)]
    assert all("error" not in item and item["status"] == "queued" for item in good)
    bad = [item for item in results if item not in good]
    assert all(item["id"] is None and item["status"] == "rejected" for item in bad)
    pointers = [[fault["pointer"] for fault in item["error"]] for item in bad]
    assert pointers[:4] == [["/to", "/priority"], ["/to"], ["/to"], ["/colour"]]
    assert pointers[4:7] == [["/category"], ["/scheduled_at"], ["/media/0/url"]]
    assert pointers[7:10] == [[""], [""], [""]]
    assert bad[1]["error"][0]["detail"] == "missing"
    assert bad[3]["error"][0]["detail"] == "unknown field"
    messages = await stored(house)
    assert [message.id for message in reversed(messages)] == [item["id"] for item in good]
    assert [message.reference for message in reversed(messages)] == [None, "third", "last"]
    assert {message.batch_id for message in messages} == {told["batch_id"]}


async def test_every_kind_of_bad_draft_is_told_in_its_place(house):
    bad = [pair for name, pair in BAD.items() if name != "half a character in the text"]  # not JSON
    told = await told_of(house, [GOOD, *(GOOD | fields for fields, _ in bad), GOOD])
    assert (told["accepted"], told["rejected"]) == (2, len(bad))
    pointers = [[fault["pointer"] for fault in item["error"]] for item in told["results"][1:-1]]
    assert pointers == [pointers for _, pointers in bad]
    assert len(await stored(house)) == 2


async def test_a_batch_of_nothing_but_bad_items_is_answered_and_stores_nothing(house):
    told = await told_of(house, [b"{}"] * MAX_BATCH)
    assert (told["accepted"], told["rejected"]) == (0, MAX_BATCH)
    assert len(told["results"]) == MAX_BATCH
    assert await stored(house) == []


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
async def test_a_batch_has_1_to_10000_items(house, count):
    with pytest.raises(DraftError) as caught:
        await told_of(house, [GOOD] * count)
    assert [fault.pointer for fault in caught.value.faults] == ["/messages"]
    assert await stored(house) == []


async def test_defaults_fill_every_item(house):
    defaults = DraftDefaults(
        text="Olá, {{ name }}",
        variables={"name": "cliente"},
        category=Category.MARKETING,
        priority=1,
        reference="campaign-9",
        metadata={"source": "crm"},
    )
    items = [
        {"to": "+5511900000001"},
        {"to": "+5511900000002", "variables": {"name": "Ana"}, "priority": 8},
        {"to": "+5511900000003", "text": "oi", "category": "otp", "reference": None},
        {"to": "+5511900000004", "template": "welcome"},
    ]
    told = await told_of(house, items, defaults)
    assert told["results"][3]["error"][0]["pointer"] == "/template"
    first, second, third = [await house.show(item["id"]) for item in told["results"][:3]]
    assert (first.text, first.category, first.priority) == ("Olá, cliente", "marketing", 1)
    assert (first.reference, first.metadata) == ("campaign-9", {"source": "crm"})
    assert (second.text, second.priority) == ("Olá, Ana", 8)
    assert (third.text, third.category, third.reference) == ("oi", "otp", "campaign-9")


async def test_a_wrong_default_is_a_fault_of_every_item_that_takes_it(house):
    told = await told_of(house, [GOOD, GOOD | {"priority": 5}], DraftDefaults(priority=99))
    assert [item["status"] for item in told["results"]] == ["rejected", "queued"]
    assert told["results"][0]["error"][0]["pointer"] == "/priority"


async def test_items_may_go_by_different_routes_and_at_different_times(open_house):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        told = await told_of(
            house,
            [
                GOOD,
                GOOD | {"account": "other"},
                GOOD | {"account": "nobody"},
                GOOD | {"scheduled_at": "2026-01-05T15:00:00-03:00"},
            ],
        )
        states = [item["status"] for item in told["results"]]
        assert states == ["queued", "queued", "rejected", "scheduled"]
        await house.settle()
        assert [len(house.vendors[name].sent) for name in ("main", "other")] == [1, 1]


class OddNumbers:
    """A check that lets nobody through whose number is odd."""

    id = "even"
    on_failure = OnFailure.HOLD
    time_limit = 5.0

    def __init__(self):
        self.asked = []

    async def check(self, recipients):
        self.asked.append(recipients)
        return [
            Refusal(check=self.id, reason="odd") if int(recipient.address[-1]) % 2 else None
            for recipient in recipients
        ]


async def test_what_a_check_forbids_is_stored_and_told_as_suppressed(open_house):
    check = OddNumbers()
    async with open_house(checks=[check]) as house:
        items = [GOOD | {"to": f"+551190000000{digit}"} for digit in (1, 2, 3)] + [{"to": "x"}]
        told = await told_of(house, items)
        assert (told["accepted"], told["rejected"], told["suppressed"]) == (1, 1, 2)
        states = [item["status"] for item in told["results"]]
        assert states == ["suppressed", "queued", "suppressed", "rejected"]
        assert told["results"][0]["error"] == [{"pointer": "/to", "detail": "odd"}]
        assert [len(recipients) for recipients in check.asked] == [3]
        ids = [item["id"] for item in told["results"][:3]]
        assert await house.statuses(ids) == states[:3]
        assert len(await stored(house, batch_id=told["batch_id"])) == 3
