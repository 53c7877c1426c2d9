from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import Category, Media
from recado_core.engine.accept.frames import ALIKE, Frame, alike_of, framed
from recado_core.engine.channels import SmsChannel
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.drafts import Draft, compose, new_row
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
    assert alike_of(Draft(to="a", **LIKE)) == (None, None, *LIKE.values())
