"""What the rows of an imported file say: entries of the suppression list, or addresses alone."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from recado_core.contract import Channel
from recado_core.engine.failures import DraftError, Fault
from recado_core.engine.files.delimited import Columns, CsvFaults, CsvFile, fold, show
from recado_core.engine.store.documents import Documents, read_document
from recado_core.engine.suppressions.entry_rules import (
    ANY_CHANNEL,
    check_end,
    check_source,
    find_faults,
)
from recado_core.engine.suppressions.suppressing import Entry
from recado_core.errors import AddressError, ContentError
from recado_core.messages import Category, SuppressionReason

DEFAULT_SOURCE: Final = "import"

_LONGEST_ADDRESS: Final = 320  # as many characters as the store has room for
_ADDRESS: Final = ("phone", "telefone", "celular", "número", "msisdn")
_DOCUMENT: Final = ("cpf", "documento")
_NAMELESS: Final = 20  # columns that a list without a header may have

ENTRY_COLUMNS: Final = Columns(
    aliases={
        "address": _ADDRESS,
        "document": _DOCUMENT,
        "channel": ("canal",),
        "category": ("categoria",),
        "reason": ("motivo",),
        "source": ("origem",),
        "expires_at": ("validade", "expira em"),
    },
    order=("address",),
)
"""Those of a file for the suppression list: no other, so that nothing it says is overlooked."""

ADDRESS_COLUMNS: Final = Columns(
    aliases={"address": _ADDRESS, "document": _DOCUMENT},
    order=("address", *(f"column {number}" for number in range(2, _NAMELESS + 1))),
    needed=("address",),
    others=True,
)
"""Those of a do-not-disturb list: what else an authority writes into one is not looked at."""

_REASONS: Final[Mapping[SuppressionReason, Collection[str]]] = {
    SuppressionReason.OPT_OUT: (
        "optout",
        "descadastro",
        "descadastrado",
        "cancelamento",
        "sair",
        "stop",
        "unsubscribe",
        "unsubscribed",
    ),
    SuppressionReason.BLACKLIST: ("lista negra", "bloqueio", "bloqueado", "blocked"),
    SuppressionReason.DO_NOT_DISTURB: ("dnd", "nao perturbe", "nao me perturbe", "nao me ligue"),
    SuppressionReason.INVALID: ("invalido", "numero invalido", "inexistente", "invalid number"),
    SuppressionReason.COMPLAINT: ("reclamacao", "denuncia", "queixa", "spam"),
    SuppressionReason.MANUAL: (),
}
_CATEGORIES: Final[Mapping[Category, Collection[str]]] = {
    Category.TRANSACTIONAL: ("transacional",),
    Category.MARKETING: ("promocional", "promotional"),
    Category.OTP: (),
}
_SCOPE: Final = ("channel", "category", "reason", "source", "expires_at")
_TIMES: Final = "2026-01-31, 31/01/2026 or 2026-01-31T09:00:00-03:00"

_Word = TypeVar("_Word", bound=StrEnum)

_brazilian_date = re.compile(r"^([0-9]{2})/([0-9]{2})/([0-9]{4})")
_is_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}[0-9:.+Z-]*").fullmatch


def check_entry_columns(file: CsvFile) -> None:
    """Add a fault to a file whose header names nobody."""
    if not {"address", "document"} & set(file.columns):
        detail = f"give this column or document; it may be called {', '.join(_ADDRESS)}"
        file.faults.add(file.header_line, "address", detail)


def check_address_columns(file: CsvFile) -> None:
    """Add a fault to a file that would protect people, not addresses."""
    if "document" in file.columns:
        detail = "a do-not-disturb list is of addresses alone: leave this column out"
        file.faults.add(file.header_line, "document", detail)


class ImportDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry is where its row leaves it open."""

    channel: str | None = None
    category: Category | None = None
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: str | None = None
    expires_at: datetime | None = None


class _Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What many rows have in common, all but whom they are about; or what is wrong, by column.

    ``channel`` is the one in whose form the address is, if that can be said.
    """

    about: ImportDefaults
    channel: Channel | None
    faults: list[tuple[str, str]]


class EntryReader:
    """Reads rows as entries of the suppression list.

    Args:
        channels: By id.
        region: The country in which a national number is read.
        zone: That of a date, and of a time that names none.
        documents: Their hashes.
        defaults: What holds where a row says nothing.
        now: The time.

    Raises:
        DraftError: The defaults make no sense.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # all that the meaning of a row depends on
        self,
        channels: Mapping[str, Channel],
        region: str,
        zone: ZoneInfo,
        documents: Documents,
        defaults: ImportDefaults,
        now: datetime,
    ) -> None:
        self._channels = channels
        self._region = region
        self._documents = documents
        self._defaults = defaults
        self._now = now
        self._readers: dict[str, Callable[[str], object]] = {
            "channel": lambda text: self._check_channel(text.lower()),
            "category": lambda text: _find_word(text, _CATEGORIES),
            "reason": lambda text: _find_word(text, _REASONS),
            "source": check_source,
            "expires_at": lambda text: check_end(_read_end(text, zone), now),
        }
        self._check_defaults()
        # Most files have few scopes; one that has many is not kept in memory.
        self._scope = lru_cache(maxsize=1024)(self._read_scope)

    def read(self, line: int, cells: Mapping[str, str], faults: CsvFaults) -> Entry | None:
        """Return what a row says, or add to the faults what is wrong with it."""
        known = len(faults)
        scope = self._scope(*(cells.get(name, "") for name in _SCOPE))
        for column, detail in scope.faults:
            faults.add(line, column, detail)
        about = scope.about
        address = self._read_address(scope, line, cells, faults)
        document = self._read_document(line, cells, faults)
        if len(faults) > known:
            return None
        return Entry(
            address=address,
            document_hash=document,
            channel=about.channel or "",
            category=about.category or "",
            reason=about.reason,
            source=about.source or DEFAULT_SOURCE,
            expires_at=about.expires_at,
        )

    def _read_address(
        self, scope: _Scope, line: int, cells: Mapping[str, str], faults: CsvFaults
    ) -> str:
        text = cells.get("address", "")
        if text and scope.channel is not None:
            return _normalise(scope.channel, text, self._region, line, faults)
        if not (text or cells.get("document")):
            faults.add(line, "address", "it is empty, and no document is given")
        return ""

    def _read_document(self, line: int, cells: Mapping[str, str], faults: CsvFaults) -> str:
        text = cells.get("document", "")
        try:
            return self._documents.hash(read_document(text)) if text else ""
        except ContentError as error:
            faults.add(line, "document", str(error))
            return ""

    def _read_scope(self, *cells: str) -> _Scope:
        said: dict[str, Any] = {}
        faults = []
        for name, text in zip(_SCOPE, cells, strict=True):
            try:
                if text:
                    said[name] = self._readers[name](text)
            except ValueError as error:
                faults.append((name, str(error)))
        about = msgspec.structs.replace(self._defaults, **said)
        unclear = any(name == "channel" for name, _ in faults)
        channel = None if unclear else self._channels[about.channel or ANY_CHANNEL]
        return _Scope(about=about, channel=channel, faults=faults)

    def _check_defaults(self) -> None:
        faults = find_faults(self._defaults.source, self._defaults.expires_at, self._now)
        try:
            if self._defaults.channel is not None:
                self._check_channel(self._defaults.channel)
        except ValueError as error:
            faults.insert(0, Fault(pointer="/channel", detail=str(error)))
        if faults:
            raise DraftError(faults)

    def _check_channel(self, name: str) -> str:
        if name not in self._channels:
            raise ValueError(f"unknown; there is {', '.join(sorted(self._channels))}")
        return name


class AddressReader:
    """Reads rows as the addresses of a do-not-disturb list.

    Args:
        channel: The one in whose form they are.
        region: The country in which a national number is read.
    """

    def __init__(self, channel: Channel, region: str) -> None:
        self._channel = channel
        self._region = region

    def read(self, line: int, cells: Mapping[str, str], faults: CsvFaults) -> str | None:
        """Return the address of a row, or add to the faults what is wrong with it."""
        text = cells["address"]
        if not text:
            faults.add(line, "address", "it is empty")
            return None
        return _normalise(self._channel, text, self._region, line, faults) or None


def _normalise(channel: Channel, text: str, region: str, line: int, faults: CsvFaults) -> str:
    try:
        address = channel.normalise_address(text, region)
    except AddressError as error:
        faults.add(line, "address", str(error))
        return ""
    if len(address) > _LONGEST_ADDRESS:
        faults.add(line, "address", f"an address has at most {_LONGEST_ADDRESS} characters")
    return address


def _find_word(text: str, words: Mapping[_Word, Collection[str]]) -> _Word:
    said = fold(text)
    for word, others in words.items():
        if said == fold(word) or said in others:
            return word
    raise ValueError(f"unknown: {show(text)!r}; there is {', '.join(words)}")


def _read_end(text: str, zone: ZoneInfo) -> datetime:
    """Return the time that a text says; of a date alone, the end of the day."""
    iso = _brazilian_date.sub(r"\3-\2-\1", text)
    try:
        if _is_date(iso):
            day = date.fromisoformat(iso)
            return datetime.combine(day + timedelta(days=day < date.max), time(), zone)
        if _is_time(iso):
            at = datetime.fromisoformat(iso)
            return at if at.tzinfo else at.replace(tzinfo=zone)
    except ValueError:
        pass
    raise ValueError(f"must be a date or a time, like {_TIMES}")
