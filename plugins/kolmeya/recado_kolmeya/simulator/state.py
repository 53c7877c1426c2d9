"""What the simulated vendor knows: requests, messages, replies, blacklist, money, counters."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from recado_kolmeya.simulator.ids import REQUEST_INDEX, Ids
from recado_kolmeya.simulator.phones import Ending, in_sao_paulo, national
from recado_kolmeya.simulator.switches import Switches

FIRST_JOB = 1_000_000  # a request's number in the reports; campaigns count from FIRST_CAMPAIGN
FIRST_CAMPAIGN = 5_000_000
RETENTION = 168 * 3600  # seconds for which the vendor keeps replies

TRYING, SENT, DELIVERED, UNDELIVERED, REJECTED, EXPIRED = range(1, 7)
FINAL = frozenset({DELIVERED, UNDELIVERED, REJECTED, EXPIRED})
UNKNOWN_CODE = 99

STATUS_TEXTS = {
    TRYING: "Tentando enviar",
    SENT: "enviado",
    DELIVERED: "entregue",
    UNDELIVERED: "Não entregue",
    REJECTED: "Rejeitado no broker",
    EXPIRED: "Expirada",
    UNKNOWN_CODE: "Desconhecido",
}


class Item(Struct, gc=False):
    """One message of a store request; ``phone`` becomes the national number once it is read."""

    phone: int | str
    message: str
    reference: str | None = None

    @property
    def number(self) -> int:
        """Give the national number of a message that was taken."""
        return self.phone if isinstance(self.phone, int) else 0


class RefusalKind(StrEnum):
    """Why a message of a request was not taken."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    BLACKLIST = "blacklist"
    NOT_DISTURB = "not_disturb"


class Refused(Struct, frozen=True, gc=False):
    """One message that was not taken."""

    kind: RefusalKind
    phone: int
    text: str
    reference: str | None
    error: str | int = ""


class Request(Struct, kw_only=True):
    """One store call: its messages in columns, a byte of status for each (0: not taken)."""

    serial: int
    id: str
    reference: str | None
    webhook_url: str | None
    segment: int | None
    created: float
    items: list[Item]
    codes: bytearray
    finals: bytes
    endings: dict[int, Ending]
    refused: list[Refused]
    open: int = 0  # slices and replies still to come
    rejected: bool = False

    @property
    def taken(self) -> int:
        """Count the messages that were taken."""
        return len(self.codes) - self.codes.count(0)

    @property
    def job(self) -> int:
        """Give the number by which the reports know the request."""
        return FIRST_JOB + self.serial


class Reply(Struct, frozen=True, kw_only=True):
    """What a phone answered."""

    id: str
    text: str
    received: float
    message_id: str
    phone: int
    original: str
    reference: str | None = None
    request_id: str = ""
    request_reference: str | None = None
    job: int | None = None
    parameters: dict[str, str] = {}
    sent: float = 0.0


class Click(Struct, frozen=True, kw_only=True):
    """One opening of a short link."""

    job: int
    job_created: float
    segment: int
    phone: int
    name: str
    message: str
    is_robot: bool
    accessed: float


class Invalid(Struct, frozen=True, kw_only=True):
    """One phone that a campaign's file lost."""

    phone: int
    code: int
    created: float


class CampaignMessage(Struct, kw_only=True):
    """One message of a campaign."""

    id: str
    phone: int
    text: str
    name: str
    cpf: int
    custom_data: dict[str, str]
    final: int
    code: int = TRYING


class Campaign(Struct, kw_only=True):
    """One web campaign, which a control call starts."""

    id: int
    name: str
    webhook_url: str | None
    segment: int | None
    created: float
    messages: list[CampaignMessage]
    invalids: list[Invalid]
    paused: bool = False
    finished: bool = False


class Blacklist:
    """Phones never to be sent to, for everybody or for one CPF."""

    def __init__(self, phones: tuple[int, ...]) -> None:
        self.phones = {national(phone) for phone in phones}
        self.documents: set[tuple[int, str]] = set()

    def add(self, phone: int, document: str | None) -> None:
        """Block a phone."""
        if document is None:
            self.phones.add(phone)
        else:
            self.documents.add((phone, document))

    def remove(self, phone: int, document: str | None) -> None:
        """Release a phone."""
        if document is None:
            self.phones.discard(phone)
        else:
            self.documents.discard((phone, document))


class State:
    """Everything that a reset forgets."""

    def __init__(self, switches: Switches, ids: Ids) -> None:
        self.ids = ids
        self.requests: dict[int, Request] = {}
        self.request_references: dict[str, int] = {}
        self.references: dict[str, int] = {}  # every message reference seen, with its request
        self.repeated: dict[str, int] = {}  # those seen more than once, with the count
        self.repeated_requests: Counter[str] = Counter()
        self.without_reference = 0
        self.accepted = 0
        self.delivered = 0
        self.forgotten: Counter[int] = Counter()
        self.replies: list[Reply] = []
        self.clicks: list[Click] = []
        self.campaigns: dict[int, Campaign] = {}
        self.blacklist = Blacklist(switches.blacklist)
        self.not_disturb: set[int] = set()
        self.set_not_disturb(switches)
        self.balance = Decimal(switches.balance)
        self.calls: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.serial = 0
        self._urls: dict[str, str] = {}

    def set_not_disturb(self, switches: Switches) -> None:
        """Read São Paulo's do-not-disturb list; numbers of other states have no place on it."""
        phones = map(national, switches.not_disturb)
        self.not_disturb = {phone for phone in phones if in_sao_paulo(phone)}

    def next_serial(self) -> int:
        """Number the next request."""
        self.serial += 1
        return self.serial

    def add(self, request: Request) -> None:
        """Keep a request and note which references were seen before."""
        url = request.webhook_url
        if url is not None:  # one string for all requests that name the same address
            request.webhook_url = self._urls.setdefault(url, url)
        self.requests[request.serial] = request
        if request.reference is not None:
            if request.reference in self.request_references:
                self.repeated_requests[request.reference] += 1
            self.request_references[request.reference] = request.serial
        self._note_references(request)

    def _note_references(self, request: Request) -> None:
        taken = [
            item.reference
            for item, code in zip(request.items, request.codes, strict=True)
            if code and item.reference is not None
        ]
        self.accepted += request.taken
        self.without_reference += request.taken - len(taken)
        fresh = dict.fromkeys(taken, request.serial)
        if len(fresh) < len(taken) or not self.references.keys().isdisjoint(fresh):
            for reference in taken:
                if reference in self.references:
                    self.repeated[reference] = self.repeated.get(reference, 1) + 1
                self.references[reference] = request.serial
        else:
            self.references.update(fresh)

    def forget(self, request: Request) -> None:
        """Drop a request that has nothing more to come; its references stay known."""
        if self.requests.pop(request.serial, None) is not None:
            self.forgotten.update(request.codes)

    def request_by_id(self, text: str) -> Request | None:
        """Find a request by its id."""
        place = self.ids.find(text)
        if place is None or place[1] != REQUEST_INDEX:
            return None
        return self.requests.get(place[0])

    def request_by_reference(self, reference: str) -> Request | None:
        """Find the latest request that carried a reference."""
        return self.requests.get(self.request_references.get(reference, 0))

    def message_by_id(self, text: str) -> tuple[Request, int] | None:
        """Find a message by its id."""
        place = self.ids.find(text)
        request = None if place is None else self.requests.get(place[0])
        if place is None or request is None:
            return None
        index = place[1]
        return (request, index) if index < len(request.codes) and request.codes[index] else None

    def message_by_reference(self, reference: str) -> tuple[Request, int] | None:
        """Find the latest message that carried a reference."""
        request = self.requests.get(self.references.get(reference, 0))
        if request is None:
            return None
        for index in range(len(request.items) - 1, -1, -1):
            if request.items[index].reference == reference and request.codes[index]:
                return request, index
        return None

    def message_by_phone(self, phone: int) -> tuple[Request, int] | None:
        """Find the latest message to a phone, by looking at all of them."""
        for request, index in self.newest_messages():
            if request.items[index].phone == phone:
                return request, index
        return None

    def newest_messages(self) -> Iterator[tuple[Request, int]]:
        """Go through the messages taken, the newest first."""
        for request in reversed(self.requests.values()):
            for index in range(len(request.codes) - 1, -1, -1):
                if request.codes[index]:
                    yield request, index

    def counts(self) -> dict[int, int]:
        """Count the messages by status code."""
        counts = Counter(self.forgotten)
        for request in self.requests.values():
            for code in set(request.codes):
                counts[code] += request.codes.count(code)
        counts.pop(0, None)
        return dict(sorted(counts.items()))

    def drop_old_replies(self, now: float) -> None:
        """Forget replies past the vendor's retention."""
        if self.replies and self.replies[0].received < now - RETENTION:
            self.replies = [each for each in self.replies if each.received >= now - RETENTION]
