"""Carries MT messages to Kolmeya and asks it what became of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
from recado_core import (
    AccountContext,
    AccountError,
    AddressError,
    Capabilities,
    Category,
    ContentError,
    InboundMessage,
    InDoubtError,
    LookupResult,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    PermanentSendError,
    SendError,
    SendResult,
    StatusUpdate,
    Suppressed,
    TransientSendError,
)
from recado_core.addresses import national_digits

from recado_kolmeya.connection import Connection
from recado_kolmeya.jobs import switch_job
from recado_kolmeya.masking import make_fit
from recado_kolmeya.money import read_money
from recado_kolmeya.otp import find_forbidden
from recado_kolmeya.outcomes import read_answer, sort_answer
from recado_kolmeya.parts import read_id, values_of
from recado_kolmeya.phones import is_brazilian, write_phone, write_phones
from recado_kolmeya.polling import ReplyPoll
from recado_kolmeya.receipts import read_receipt
from recado_kolmeya.refusals import (
    UNREADABLE,
    is_json,
    join_texts,
    named_messages,
    read_refusal,
    tells_no_credit,
)
from recado_kolmeya.settings import KolmeyaSettings, PhoneStyle
from recado_kolmeya.suppression import change_blacklist
from recado_kolmeya.wire import (
    BalanceAnswer,
    MessageStatus,
    StatusAnswer,
    StatusRequest,
    StoreMessage,
    StoreRequest,
)

CAPABILITIES = Capabilities(
    max_batch=1000,
    own_batches={Category.OTP: 1},  # sms/store-token
    concurrency=4,
    rate="500/60s",  # X-RateLimit-Limit says 500; no one says of which time, Laravel's is a minute
    lookup=True,
    poll_statuses=True,
    poll_replies=True,
    balance=True,
    suppress=True,
    max_suppress=1000,
    verify_credentials=True,
    jobs=True,
)

# Looked up once: up to Python 3.11 each look-up in the class is a call.
_OTP, _TRANSIENT = Category.OTP, Outcome.TRANSIENT

_NOT_BRAZILIAN = "Kolmeya reaches Brazilian numbers only"
_UNLISTED = "Kolmeya took the request, named this message in none of its lists and does not hold it"
_MAYBE_SENT = (
    "Kolmeya took the request and named this message in none of its lists; it may have been sent"
)
_HELD_BACK = "not taken: Kolmeya refused the request because of another message in it"


class KolmeyaProvider:
    """One account at Kolmeya; what has no underscore is for its operations as well."""

    def __init__(self, context: AccountContext) -> None:
        self.settings: KolmeyaSettings = context.settings
        self.zone = ZoneInfo(self.settings.timezone)
        self.now = context.now
        self._webhook_url = context.webhook_url
        self.connection = Connection(context)
        self._replies = ReplyPoll(context, self.connection)

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        """Hand a batch over; see ``Provider.send`` for what it raises."""
        results: dict[str, SendResult] = {}
        messages: Sequence[OutboundMessage] = batch.messages
        phones = _write_plain(messages, self.settings.phone_style)
        if phones is None:
            results, messages = _set_refused_apart(messages)
            phones = [int(write_phone(m.to, self.settings.phone_style)) for m in messages]
        if messages:
            results |= await self._store(batch.reference, messages, phones)
        return [results[message.id] for message in batch.messages]

    async def lookup(self, batch: OutboundBatch) -> LookupResult:
        """Ask what Kolmeya holds of a batch; what it refused is not among it.

        Raises:
            InDoubtError: Kolmeya holds a request of this reference with none of the messages.
            SendError: Kolmeya can't be asked now.
        """
        entries = await self._statuses(batch.reference)
        if not entries:
            return LookupResult(found=False)
        held = _held(entries, batch.messages)
        if not held:
            raise InDoubtError("Kolmeya holds the request with messages that are not the batch's")
        return LookupResult(found=True, results=tuple(held.values()))

    async def poll_statuses(self, batch_reference: str) -> list[StatusUpdate]:
        """Return what Kolmeya knows now of the messages of a batch; it gives no times."""
        entries = await self._statuses(batch_reference)
        return [update for entry in entries if (update := read_receipt(entry)) is not None]

    async def balance(self) -> Decimal:
        """Return the account's balance in reais."""
        response = await self.connection.ask("sms/balance")
        balance = self.connection.read(response, BalanceAnswer).balance
        try:
            return read_money(balance)
        except InvalidOperation as error:
            raise TransientSendError(
                self.connection.tell_unreadable(response), raw=self.connection.raw_of(response)
            ) from error

    def poll_replies(self, since: datetime) -> AsyncIterator[Sequence[InboundMessage]]:
        """Yield, page by page, what people have answered; see ``SupportsPollReplies``."""
        return self._replies.pages(since)

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        """Put phones on Kolmeya's blacklist."""
        await change_blacklist(self.connection, self.settings, "store", entries)

    async def unsuppress(self, entries: Sequence[Suppressed]) -> None:
        """Take phones off Kolmeya's blacklist."""
        await change_blacklist(self.connection, self.settings, "destroy", entries)

    async def hold_job(self, job: str) -> None:
        """Pause a campaign that was made in Kolmeya's own pages."""
        await switch_job(self.connection, "pause", job)

    async def release_job(self, job: str) -> None:
        """Let such a campaign go on."""
        await switch_job(self.connection, "play", job)

    async def verify_credentials(self) -> str:
        """Ask for the balance, which costs nothing."""
        try:
            balance = await self.balance()
        except PermanentSendError as error:
            raise AccountError(error.text, code=error.code, raw=error.raw) from error
        return f"Kolmeya accepts the token; balance R$ {balance}"

    async def _store(
        self, reference: str, messages: Sequence[OutboundMessage], phones: Sequence[int]
    ) -> dict[str, SendResult]:
        is_code = len(messages) == 1 and messages[0].category == _OTP
        path = "sms/store-token" if is_code else "sms/store"
        request = StoreRequest(
            messages=[
                StoreMessage(phone, message.text, message.id)
                for phone, message in zip(phones, messages, strict=True)
            ],
            reference=reference,
            webhook_url=self._webhook_url,
            tenant_segment_id=self.settings.segment,
            sms_api_id=None if is_code else self.settings.sms_api_id,
        )
        response = await self.connection.post(path, request)
        if not response.is_success:
            return self._read_failure(response, messages)
        results = self._read_answer(response, messages)
        if len(results) < len(messages):
            unlisted = [message for message in messages if message.id not in results]
            results |= await self._settle_unlisted(reference, unlisted)
        return results

    def _read_failure(
        self, response: httpx.Response, messages: Sequence[OutboundMessage]
    ) -> dict[str, SendResult]:
        """Refuse the messages that a 422 names and hold the others back, or raise."""
        error = self.connection.error_for(response)
        named = named_messages(response.content)
        if not named or not isinstance(error, PermanentSendError) or max(named) >= len(messages):
            raise error
        held_back = {
            message.id: SendResult(
                message_id=message.id, outcome=Outcome.TRANSIENT, code=error.code, text=_HELD_BACK
            )
            for message in messages
        }
        secrets = self.connection.secrets
        return held_back | {
            messages[i].id: _refused(messages[i], "invalid", make_fit(text, secrets))
            for i, text in named.items()
        }

    def _read_answer(
        self, response: httpx.Response, messages: Sequence[OutboundMessage]
    ) -> dict[str, SendResult]:
        """Sort a successful answer; one that accounts for no message leaves all in doubt."""
        connection = self.connection
        try:
            results = sort_answer(messages, read_answer(response.content), connection.secrets)
        except UNREADABLE:
            results = {}
        if not results:
            complaint = _complaint(response.content)
            no_credit = tells_no_credit(complaint)
            raise (AccountError if no_credit else InDoubtError)(
                make_fit(complaint, connection.secrets)
                if no_credit
                else connection.tell_unreadable(response),
                code=str(response.status_code),
                raw=connection.raw_of(response),
            )
        unpaid = all(result.outcome is _TRANSIENT for result in results.values())
        if unpaid and len(results) == len(messages):
            first = next(iter(results.values()))
            raise AccountError(first.text or "", code=first.code, raw=connection.raw_of(response))
        return results

    async def _settle_unlisted(
        self, reference: str, messages: Sequence[OutboundMessage]
    ) -> dict[str, SendResult]:
        """Ask at once for messages that the answer passed over: sent again, they might double."""
        try:
            entries = await self._statuses(reference)
        except SendError:
            entries = ()
        held = _held(entries, messages)
        outcome, text = (Outcome.REJECTED, _UNLISTED) if entries else (Outcome.UNKNOWN, _MAYBE_SENT)
        return {
            m.id: held.get(m.id)
            or SendResult(message_id=m.id, outcome=outcome, code="unlisted", text=text)
            for m in messages
        }

    async def _statuses(self, reference: str) -> Sequence[MessageStatus]:
        """Return the entries of a request, none if Kolmeya does not know it."""
        response = await self.connection.ask("sms/status/request", StatusRequest(reference))
        if _tells_unknown(response):
            return ()
        return values_of(self.connection.read(response, StatusAnswer).messages)


def check_message(message: OutboundMessage) -> None:
    """Refuse at accept what Kolmeya can't carry.

    Raises:
        AddressError: The recipient is not in Brazil.
        ContentError: There is no text, for a message can't be of media alone; or a one-time code
            comes with a link or an 0800 number.
    """
    try:
        if is_brazilian(message.to) is None:
            national_digits(message.to)
    except AddressError:
        raise AddressError(_NOT_BRAZILIAN) from None
    if not message.text or message.text.isspace():
        raise ContentError("Kolmeya sends no message without a text")
    if message.category is _OTP and (found := find_forbidden(message.text)):
        raise ContentError(f"Kolmeya takes no message of category otp with {found} in its text")


def _write_plain(messages: Sequence[OutboundMessage], style: PhoneStyle) -> list[int] | None:
    """Write at once the phones of messages that ``check_message`` takes.

    None if it may refuse one: they are better looked at singly then, as one-time codes always are.
    """
    texts = [message.text for message in messages if message.category is not _OTP]
    if len(texts) < len(messages) or "" in texts or any(map(str.isspace, texts)):
        return None
    return write_phones([message.to for message in messages], style)


def _set_refused_apart(
    messages: Sequence[OutboundMessage],
) -> tuple[dict[str, SendResult], list[OutboundMessage]]:
    """Part the messages that are refused here, whoever lets them come so far, from the others.

    Written without its plus, a number of another country can be someone else's in Brazil.
    """
    results: dict[str, SendResult] = {}
    fit: list[OutboundMessage] = []
    for message in messages:
        try:
            check_message(message)
        except (AddressError, ContentError) as error:
            code = "address" if isinstance(error, AddressError) else "content"
            results[message.id] = _refused(message, code, str(error))
        else:
            fit.append(message)
    return results, fit


def _held(
    entries: Sequence[MessageStatus], messages: Sequence[OutboundMessage]
) -> dict[str, SendResult]:
    own = {message.id for message in messages}
    return {
        str(entry.reference): SendResult(
            message_id=str(entry.reference),
            outcome=Outcome.ACCEPTED,
            provider_ref=read_id(entry.id),
        )
        for entry in entries
        if entry.reference in own
    }


def _refused(message: OutboundMessage, code: str, text: str) -> SendResult:
    return SendResult(message_id=message.id, outcome=Outcome.REJECTED, code=code, text=text)


def _complaint(content: bytes) -> str:
    """Return what a successful answer complains of, if it tells of no request beside.

    Elsewhere it echoes the texts of messages, which may speak of somebody else's balance.
    """
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except UNREADABLE:
        return ""
    if body.keys() & {"id", "valids"}:
        return ""
    return join_texts([body.get(name) for name in ("message", "error", "errors")])


def _tells_unknown(response: httpx.Response) -> bool:
    """Say whether Kolmeya does not know the reference; what it then answers is not documented.

    A 404 that is not JSON comes from something before Kolmeya, which knows nothing of requests.
    """
    if response.status_code == httpx.codes.NOT_FOUND:
        return is_json(response.content)
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        return "refer" in read_refusal(response.content).casefold()
    return False
