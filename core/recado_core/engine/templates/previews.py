"""What a message of a template would be: its text, its parts, its price, what makes it dear."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.settings import AccountSettings
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.templates.contents import Content, fill_template
from recado_core.engine.templates.variants import StoredVariant, Template, choose, names_in
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, OutboundMessage, ProviderTemplate
from recado_core.segments import Encoding, Segments, ucs2_characters
from recado_core.transliteration import transliterate

DEFAULT_CHANNEL = "sms"
NAMED = 10
"""Characters that a warning's sentence names; its list has them all."""


class Carriage(Protocol):
    """Knows which accounts carry a message, as it is for those that are sent."""

    def route(self, channel: str, category: Category, to: str, account: str | None) -> list[str]:
        """Return the accounts that may, in the order in which to try them, or ``DraftError``."""

    def refusals(self, names: Sequence[str], message: OutboundMessage) -> dict[str, Fault]:
        """Return those of the accounts that would not, and why."""


class RenderRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to make of a template: the body of ``POST /v1/templates/{name}/render``.

    By ``account``, ``category`` and ``to`` the account is found whose price counts, as for a
    message.
    """

    variables: dict[str, Any] | None = None
    channel: str | None = None
    language: str | None = None
    account: str | None = None
    to: str | None = None
    category: Category | None = None
    transliterate: bool | None = None


class TransliteratedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text as ``transliterate`` would write it, and the characters that it would leave out."""

    text: str
    encoding: str
    segments: int
    cost: Decimal | None
    dropped: list[str]


class RenderWarning(msgspec.Struct, frozen=True, kw_only=True):
    """What should be known of a text before it is sent; ``code`` is ``ucs2`` or ``dropped``.

    ``characters`` are those that make it so, ``segments`` how many it takes now.
    """

    code: str
    detail: str
    characters: list[str]
    segments: int
    transliterated: TransliteratedText | None = None


class RenderedTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """What a message of a template would be.

    ``channel`` and ``language`` are those of the variant, ``account`` is the one that would carry
    it, and ``cost`` is in the currency of its price.
    """

    text: str
    provider_template: ProviderTemplate | None
    channel: str | None
    language: str | None
    variables: list[str]
    encoding: str
    characters: int
    segments: int
    account: str | None
    cost: Decimal | None
    warnings: list[RenderWarning]


class Previews:
    """Makes of templates what messages of them would be, and sends nothing."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        region: str,
        accounts: Mapping[str, AccountSettings],
        carriage: Carriage,
    ) -> None:
        self._channels = channels
        self._region = region
        self._accounts = accounts
        self._carriage = carriage

    def render(self, template: Template, request: RenderRequest) -> RenderedTemplate:
        """Return what a message of a template would be, or raise ``DraftError``."""
        channel = self._channel(request.channel or DEFAULT_CHANNEL)
        content, variant = _fill(template, channel.id, request)
        text, dropped = content.text, list[str]()
        if request.transliterate:
            written = transliterate(text)
            text, dropped = written.text, list(written.dropped)
        if text or content.template is None:
            _check(channel, text)
        counted = channel.count_segments(text)
        content = Content(text=text, template=content.template)
        account = self._account(channel, request, content, counted)
        warnings = [*self._dear(channel, text, counted, account)]
        if dropped:
            detail = f"left out, because GSM-7 has nothing like them: {_tell(dropped)}"
            warnings.append(
                RenderWarning(
                    code="dropped", detail=detail, characters=dropped, segments=counted.count
                )
            )
        return RenderedTemplate(
            text=text,
            provider_template=content.template,
            channel=variant.channel,
            language=variant.language,
            variables=list(names_in([variant])),
            encoding=counted.encoding,
            characters=len(text),
            segments=counted.count,
            account=account,
            cost=self._cost(account, counted.count),
            warnings=warnings,
        )

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            known = ", ".join(sorted(self._channels))
            raise DraftError([Fault(pointer="/channel", detail=f"unknown; there is {known}")])
        return channel

    def _account(
        self, channel: Channel, request: RenderRequest, content: Content, counted: Segments
    ) -> str | None:
        """Return the account that would carry a message; None where that depends on to whom."""
        to = ""
        if request.to is not None:
            try:
                to = channel.normalise_address(request.to, self._region)
            except AddressError as error:
                raise DraftError([Fault(pointer="/to", detail=str(error))]) from error
        category = request.category or Category.TRANSACTIONAL
        try:
            names = self._carriage.route(channel.id, category, to, request.account)
        except DraftError:
            if request.account is None and request.to is None:
                return None
            raise
        message = OutboundMessage(
            id=new_id(),
            to=to,
            text=content.text,
            channel=channel.id,
            category=category,
            segments=counted.count,
            template=content.template,
        )
        faults = self._carriage.refusals(names, message)
        carriers = [name for name in names if name not in faults]
        if not carriers:
            raise DraftError([faults[names[0]]])
        return carriers[0]

    def _cost(self, account: str | None, segments: int) -> Decimal | None:
        price = self._accounts[account].price if account is not None else None
        return None if price is None else price * segments

    def _dear(
        self, channel: Channel, text: str, counted: Segments, account: str | None
    ) -> Iterator[RenderWarning]:
        """Warn of characters for which a text travels in the alphabet that holds fewer."""
        characters = list(ucs2_characters(text))
        if counted.encoding != Encoding.UCS2 or not characters:
            return
        written = transliterate(text)
        less = channel.count_segments(written.text)
        usable = bool(written.text.strip())
        detail = f"not in GSM-7, so that the text is sent as UCS-2: {_tell(characters)}"
        if usable and less.count < counted.count:
            detail += f"; {counted.count} segments instead of {less.count}"
        yield RenderWarning(
            code="ucs2",
            detail=detail,
            characters=characters,
            segments=counted.count,
            transliterated=TransliteratedText(
                text=written.text,
                encoding=less.encoding,
                segments=less.count,
                cost=self._cost(account, less.count),
                dropped=list(written.dropped),
            )
            if usable
            else None,
        )


def _fill(
    template: Template, channel: str, request: RenderRequest
) -> tuple[Content, StoredVariant]:
    faults: list[Fault] = []
    variables = request.variables or {}
    content = fill_template(template, channel, request.language, variables, faults)
    variant = None if faults else choose(template, channel, request.language)
    if variant is None:
        raise DraftError(faults)
    return content, variant


def _check(channel: Channel, text: str) -> None:
    try:
        channel.check_content(text, ())
    except ContentError as error:
        fault = Fault(pointer="/text", detail=str(error))
        raise DraftError([fault], code=error.code) from error


def _tell(characters: list[str]) -> str:
    told = ", ".join(characters[:NAMED])
    return f"{told} and {len(characters) - NAMED} more" if len(characters) > NAMED else told
