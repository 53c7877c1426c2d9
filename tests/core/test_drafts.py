from datetime import UTC, datetime, timedelta, timezone

import pytest
from recado_core import Category, ContentError, Media
from recado_core.engine.channels import SmsChannel
from recado_core.engine.failures import DraftError
from recado_core.engine.messages.drafts import (
    Draft,
    DraftDefaults,
    apply_defaults,
    compose,
    given_by,
)
from recado_core.testing.clock import MONDAY_NOON

HOUR = timedelta(hours=1)
NAIVE = datetime(2026, 3, 1, 9)  # noqa: DTZ001  # what a client writes who forgets the offset
PICTURE = Media(url="https://files.example.com/a.png", type="image/png")


def nested(depth):
    value = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


# Every way in which a draft can be wrong, and where its faults point.
BAD = {
    "no number": ({"to": "hello"}, ["/to"]),
    "empty number": ({"to": ""}, ["/to"]),
    "too few digits": ({"to": "90000-0001"}, ["/to"]),
    "short code": ({"to": "28000"}, ["/to"]),
    "zero byte in the number": ({"to": "+5511900000001\0"}, ["/to"]),
    "no text": ({"text": None}, ["/text"]),
    "blank text": ({"text": " \n"}, ["/text"]),
    "long text": ({"text": "x" * 1601}, ["/text"]),
    "zero byte in the text": ({"text": "a\0b"}, ["/text"]),
    "half a character in the text": ({"text": "a\ud83d"}, ["/text"]),
    "missing variable": ({"text": "{{ name }}", "variables": {}}, ["/variables"]),
    "broken placeholder": ({"text": "{{ name", "variables": {}}, ["/variables"]),
    "zero byte from a placeholder": (
        {"text": "{{ name }}", "variables": {"name": "\0"}},
        ["/text"],
    ),
    "long text with placeholders": (
        {"text": "{# " + "x" * 10_000 + " #}oi", "variables": {}},
        ["/text"],
    ),
    "long variable": (
        {"text": "{% if a %}b{% endif %}", "variables": {"a": "x" * 10_001}},
        ["/variables"],
    ),
    "deep text": (
        {"text": "{% if a %}" * 110 + "x" + "{% endif %}" * 110, "variables": {"a": 1}},
        ["/variables"],
    ),
    "no such template": ({"text": None, "template": "welcome"}, ["/template"]),
    "text and template": ({"template": "welcome"}, ["/template"]),
    "no language": ({"language": "?? \0"}, ["/language"]),
    "an empty language": ({"language": ""}, ["/language"]),
    "unknown channel": ({"channel": "pigeon"}, ["/channel"]),
    "low priority": ({"priority": -1}, ["/priority"]),
    "high priority": ({"priority": 10}, ["/priority"]),
    "long sender name": ({"sender_id": "AcruxLabMessages"}, ["/sender_id"]),
    "empty sender": ({"sender_id": ""}, ["/sender_id"]),
    "naive time": ({"scheduled_at": NAIVE}, ["/scheduled_at"]),
    "two naive times": (
        {"scheduled_at": NAIVE, "expires_at": NAIVE},
        ["/scheduled_at", "/expires_at"],
    ),
    "schedule beyond the calendar": (
        {"scheduled_at": datetime(9999, 12, 31, 23, tzinfo=timezone(-3 * HOUR))},
        ["/scheduled_at"],
    ),
    "schedule before the calendar": (
        {"scheduled_at": datetime(1, 1, 1, tzinfo=timezone(3 * HOUR))},
        ["/scheduled_at"],
    ),
    "expiry beyond the calendar": (
        {"expires_at": datetime.max.replace(tzinfo=UTC)},
        ["/expires_at"],
    ),
    "expired long ago": ({"expires_at": MONDAY_NOON - HOUR}, ["/expires_at"]),
    "expires now": ({"expires_at": MONDAY_NOON}, ["/expires_at"]),
    "expires when it is due": (
        {"scheduled_at": MONDAY_NOON + HOUR, "expires_at": MONDAY_NOON + HOUR},
        ["/expires_at"],
    ),
    "empty reference": ({"reference": ""}, ["/reference"]),
    "long reference": ({"reference": "x" * 256}, ["/reference"]),
    "zero byte in the reference": ({"reference": "a\0"}, ["/reference"]),
    "large metadata": ({"metadata": {"note": "x" * 8192}}, ["/metadata"]),
    "deep metadata": ({"metadata": nested(40)}, ["/metadata"]),
    "media in an SMS": ({"media": [PICTURE]}, ["/media"]),
    "everything": (
        {"to": "x", "sender_id": "", "text": None, "priority": 99, "reference": ""},
        ["/to", "/sender_id", "/text", "/priority", "/reference"],
    ),
}


class Album:
    """A channel that carries media, with a text or without."""

    id = "album"

    def normalise_address(self, address, region):
        return f"{region}:{address}"

    def normalise_sender_id(self, sender_id, _region):
        return sender_id

    def check_content(self, _text, media):
        if len(media) > 2:
            raise ContentError("at most two files")

    def count_segments(self, text):
        return SmsChannel().count_segments(text)


def composed(**fields):
    draft = Draft(**{"to": "+5511900000001", "text": "oi"} | fields)
    return compose(draft, {"sms": SmsChannel(), "album": Album()}, "BR", MONDAY_NOON)


def faults_of(**fields):
    with pytest.raises(DraftError) as caught:
        composed(**fields)
    return caught.value.faults


@pytest.mark.parametrize(("fields", "pointers"), BAD.values(), ids=BAD)
def test_a_bad_draft_is_told_everything_that_is_wrong(fields, pointers):
    faults = faults_of(**fields)
    assert [fault.pointer for fault in faults] == pointers
    assert all(fault.detail for fault in faults)


def test_a_missing_variable_is_named():
    (fault,) = faults_of(text="Olá, {{ first_name }}!", variables={"name": "Ana"})
    assert "first_name" in fault.detail


def test_what_is_silent_is_filled_in():
    message = composed()
    assert message.channel == "sms"
    assert message.category is Category.TRANSACTIONAL
    assert message.priority == 5
    assert message.sender_id is None
    assert message.media == ()
    assert not message.scheduled
    assert (message.segments.count, message.segments.encoding) == (1, "gsm7")


def test_what_is_said_is_kept():
    message = composed(
        to="(11) 90000-0001",
        text="Olá, {{ name }}!",
        variables={"name": "Ana"},
        sender_id="28000",
        category=Category.MARKETING,
        priority=0,
        scheduled_at=MONDAY_NOON + HOUR,
        expires_at=MONDAY_NOON + 2 * HOUR,
    )
    assert (message.to, message.text, message.sender_id) == ("+5511900000001", "Olá, Ana!", "28000")
    assert (message.category, message.priority) == (Category.MARKETING, 0)
    assert message.scheduled


def test_segments_are_those_of_the_rendered_text():
    text = "{{ name }}"
    assert composed(text=text, variables={"name": "x" * 161}).segments.count == 2
    assert composed(text=text, variables={"name": "你好"}).segments.encoding == "ucs2"


def test_braces_are_plain_text_without_variables():
    assert composed(text="{{ name }} {% if").text == "{{ name }} {% if"


@pytest.mark.parametrize("at", [MONDAY_NOON, MONDAY_NOON - HOUR])
def test_a_time_that_has_come_is_now(at):
    assert not composed(scheduled_at=at).scheduled


def test_times_are_compared_across_offsets():
    local = timezone(-3 * HOUR)
    assert composed(scheduled_at=datetime(2026, 1, 5, 9, 1, tzinfo=local)).scheduled
    assert not composed(scheduled_at=datetime(2026, 1, 5, 8, 59, tzinfo=local)).scheduled


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x" * 1600},
        {"priority": 0},
        {"priority": 9},
        {"reference": "x"},
        {"reference": "é" * 255},
        {"metadata": nested(32)},
        {"metadata": {"note": "x" * 8180}},
        {"metadata": {"order": 10**30, "zero": "\0", "list": [1, None, {"a": True}]}},
        {"expires_at": MONDAY_NOON + timedelta(microseconds=1)},
        {"expires_at": datetime(9998, 12, 31, tzinfo=UTC)},
        {"media": []},
        {"variables": {}},
    ],
)
def test_what_is_just_allowed_is_taken(fields):
    assert composed(**fields).draft.to == "+5511900000001"


def test_the_channel_decides_on_address_and_content():
    message = composed(channel="album", to="ana", text=None, media=[PICTURE])
    assert (message.to, message.text, message.media) == ("BR:ana", "", (PICTURE,))
    assert [fault.pointer for fault in faults_of(channel="album", media=[PICTURE] * 3)] == [
        "/media"
    ]


def test_defaults_fill_what_the_draft_leaves_open():
    draft = Draft(to="a", priority=0, category=Category.OTP)
    given = given_by(DraftDefaults(text="oi", priority=9, reference="r", metadata={}))
    filled = apply_defaults(draft, given)
    assert filled == Draft(
        to="a", priority=0, category=Category.OTP, text="oi", reference="r", metadata={}
    )


def test_no_defaults_change_nothing():
    draft = Draft(to="a", text="oi")
    assert apply_defaults(draft, given_by(None)) == draft
    assert apply_defaults(draft, given_by(DraftDefaults())) == draft


def test_a_text_keeps_out_the_default_template_and_the_other_way_round():
    text, template = given_by(DraftDefaults(text="oi")), given_by(DraftDefaults(template="t"))
    assert apply_defaults(Draft(to="a", text="oi"), template).template is None
    assert apply_defaults(Draft(to="a", template="t"), text).text is None


def test_an_empty_value_is_not_silence():
    defaults = DraftDefaults(text="oi", media=[PICTURE], metadata={"a": 1}, variables={"b": 2})
    draft = Draft(to="a", text="", media=[], metadata={}, variables={})
    assert apply_defaults(draft, given_by(defaults)) == draft
