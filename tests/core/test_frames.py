from datetime import timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import Category, ContentError, Media
from recado_core.engine.accept.composing import Composing
from recado_core.engine.accept.frames import ALIKE, Frame, alike_of, framed
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


def test_a_frame_is_left_as_it_is():
    frame = frame_of()
    before = dict(frame.row)
    taken(Draft(to="+5511900000001", text="Olá", metadata={"a": 1}), frame)
    assert frame.row == before


def test_all_fields_of_a_draft_are_alike_or_its_own():
    known = {*ALIKE, "to", "text", "template", "language", "variables", "transliterate"}
    known |= {"reference", "document", "metadata", "media"}
    assert known == set(Draft.__struct_fields__)
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
