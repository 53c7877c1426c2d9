"""Which message of a batch met which outcome, as the answer to ``store`` tells.

Kolmeya sorts the messages of a request into five lists. Ours are found in them by the reference
that we gave, the message's id. Where an entry comes without one, it belongs to the first message
of the same line that no other entry accounts for, and a refusal then to all that are left of that
line: blacklists are of phones, not of messages.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from recado_core import OutboundMessage, Outcome, SendResult
from recado_core.addresses import same_line

from recado_kolmeya.masking import make_fit
from recado_kolmeya.parts import entries_of, read_id, values_of
from recado_kolmeya.refusals import UNREADABLE, join_texts, tells_no_credit
from recado_kolmeya.wire import (
    REFUSALS,
    SUPPRESSIONS,
    PlainAnswer,
    PlainValid,
    Refused,
    Scalar,
    StoreAnswer,
    Valid,
)

_LINE_END = 8
"""Digits at the end of a phone that every way of writing it shares."""

_NO_REFERENCE = (None, "")

_ACCEPTED = Outcome.ACCEPTED  # looked up once: up to Python 3.11 each look-up is a call

_plain_answers = msgspec.json.Decoder(PlainAnswer)
_store_answers = msgspec.json.Decoder(StoreAnswer)


def read_answer(content: bytes) -> StoreAnswer | PlainAnswer:
    """Decode an answer to ``store``.

    Raises:
        msgspec.DecodeError: It is no JSON, or of another shape.
        UnicodeDecodeError: A text in it is in no known encoding.
    """
    try:
        return _plain_answers.decode(content)
    except UNREADABLE:
        return _store_answers.decode(content)


def sort_answer(
    messages: Sequence[OutboundMessage],
    answer: StoreAnswer | PlainAnswer,
    secrets: Sequence[str] = (),
) -> dict[str, SendResult]:
    """Return the outcome of every message that the answer accounts for, by the message's id."""
    taken = _all_taken(messages, answer.valids) if isinstance(answer, PlainAnswer) else None
    return taken or _sort_each(messages, answer, secrets)


def _all_taken(
    messages: Sequence[OutboundMessage], valids: Sequence[PlainValid]
) -> dict[str, SendResult] | None:
    """Return what nearly all answers come to: each message is taken, by an entry of its own.

    None of any other answer.
    """
    taken = {
        valid.reference: SendResult(
            message_id=valid.reference, outcome=_ACCEPTED, provider_ref=valid.id or None
        )
        for valid in valids
    }
    is_all = len(valids) == len(messages) and taken.keys() == {message.id for message in messages}
    return taken if is_all else None


def _sort_each(
    messages: Sequence[OutboundMessage],
    answer: StoreAnswer | PlainAnswer,
    secrets: Sequence[str],
) -> dict[str, SendResult]:
    results: dict[str, SendResult] = {}
    waiting: dict[Scalar, OutboundMessage] = {message.id: message for message in messages}
    loose: list[tuple[Scalar, SendResult]] = []
    valids: Sequence[Valid | PlainValid] = values_of(answer.valids)
    for valid in valids:
        message = waiting.pop(valid.reference, None)
        accepted = SendResult(
            message_id="" if message is None else message.id,
            outcome=_ACCEPTED,
            provider_ref=read_id(valid.id),
        )
        if message is not None:
            results[message.id] = accepted
        elif valid.reference in _NO_REFERENCE:
            loose.append((valid.phone, accepted))
    for refused, refusal in _refusals(answer, secrets):
        if waiting.pop(refused.reference, None) is not None:
            results[refusal.message_id] = refusal
        elif refused.reference in _NO_REFERENCE:
            loose.append((refused.phone, refusal))
    if loose:
        _sort_loose(loose, waiting.values(), results)
    return results


def _refusals(
    answer: StoreAnswer | PlainAnswer, secrets: Sequence[str]
) -> Iterator[tuple[Refused, SendResult]]:
    """Yield every entry of the other lists with its outcome, under the entry's reference."""
    for name, (code, outcome) in REFUSALS.items():
        for refused in _refused(getattr(answer, name)):
            text = make_fit(join_texts(refused.error), secrets)
            unpaid = tells_no_credit(text)
            yield (
                refused,
                SendResult(
                    message_id=str(refused.reference),
                    outcome=Outcome.TRANSIENT if unpaid else outcome,
                    code=code,
                    text=text or f'Kolmeya lists it under "{name}"',
                    suppression=None if unpaid else SUPPRESSIONS.get(name),
                ),
            )


def _sort_loose(
    loose: Sequence[tuple[Scalar, SendResult]],
    waiting: Iterable[OutboundMessage],
    results: dict[str, SendResult],
) -> None:
    """Give each entry without a reference the first message of its line, refusals then the rest."""
    by_end: defaultdict[str, list[OutboundMessage]] = defaultdict(list)
    for message in waiting:
        by_end[message.to[-_LINE_END:]].append(message)
    refusals = [entry for entry in loose if entry[1].outcome is not Outcome.ACCEPTED]
    for most, entries in ((1, loose), (None, refusals)):
        for phone, result in entries:
            digits = _digits(phone)
            candidates = by_end[digits[-_LINE_END:]]
            found = (m for m in candidates if same_line(m.to, digits))
            for message in list(islice(found, most)):
                candidates.remove(message)
                results[message.id] = msgspec.structs.replace(result, message_id=message.id)


def _digits(phone: Scalar) -> str:
    return "".join(character for character in str(phone) if character.isdigit())


def _refused(section: object) -> Iterator[Refused]:
    """Yield the entries that can be read; a bare phone may stand for one."""
    for part in entries_of(section) or ():
        if isinstance(part, str | int) and not isinstance(part, bool):
            yield Refused(phone=part)
        elif isinstance(part, dict):
            try:
                yield msgspec.convert(part, Refused)
            except UNREADABLE:
                continue
