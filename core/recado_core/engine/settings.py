"""What the engine must be told: database, accounts, routes, delays."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from recado_core.checks import OnFailure
from recado_core.contract import Secret
from recado_core.messages import Category, SuppressionReason

DEFAULT_RETRY_DELAYS = (60.0, 180.0, 600.0, 1800.0)
DEFAULT_POLL_DELAYS = (120.0, 600.0, 1800.0, 3600.0)
DEFAULT_SINK_DELAYS = (5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 600.0)
DEFAULT_REPLY_POLL = 300.0
DEFAULT_BALANCE_POLL = 900.0


Positive = Annotated[int, msgspec.Meta(ge=1)]


class OnDoubt(StrEnum):
    """What becomes of a message when nobody can say whether the provider took it."""

    HOLD = "hold"  # it stays unknown until a person resends it
    RESEND = "resend"  # it is sent again, and may arrive twice


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every account may have, whatever its provider; ``own`` are the provider's.

    ``rate`` is in calls (``"500/60s"``), ``timeout`` in seconds for one call, ``daily_limit`` in
    messages a day of the gateway's zone, ``lookup_settles`` as in ``Capabilities``,
    ``balance_threshold`` in the account's currency. ``push_suppressions`` are the reasons for which
    an address that comes on the suppression list is put on the provider's own list too.
    """

    provider: str
    rate: str | None = None
    concurrency: Positive | None = None
    batch_size: Positive | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    price: Decimal | None = None
    daily_limit: Positive | None = None
    on_doubt: OnDoubt = OnDoubt.HOLD
    lookup_settles: Annotated[float, msgspec.Meta(ge=0)] | None = None
    balance_threshold: Decimal | None = None
    webhook_token: Secret | None = None
    push_suppressions: tuple[SuppressionReason, ...] = ()
    own: dict[str, Any] = {}


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every sink may have, whatever its kind; ``own`` are the kind's.

    ``timeout`` is in seconds for one call, ``concurrency`` in conversations that are told at once,
    ``retry_delays`` in seconds before each further call for one event; after the last it is given
    up, if the sink takes others.
    """

    sink: str
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    retry_delays: tuple[Annotated[float, msgspec.Meta(ge=0, le=2_592_000)], ...] = (
        DEFAULT_SINK_DELAYS
    )
    own: dict[str, Any] = {}


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages a route is for; a key that is absent matches all."""

    category: Category | None = None
    prefix: Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]*$")] | None = None


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One route: the first that matches wins.

    ``accounts`` are tried in order; with ``weights`` (one for each) the first is drawn in
    proportion to them and the others follow in order.
    """

    accounts: list[str]
    channel: str = "sms"
    match: RouteMatch = RouteMatch()
    weights: list[int] | None = None


class HoursSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When messages may go, in the recipient's own time.

    A day's value is ``open``, ``closed``, or windows such as ``"09:00-12:00, 14:00-21:00"``; 24:00
    is the end of the day. ``holidays`` names the countries whose holidays count, each for the
    people there: ``"BR"`` is the nation's and those of the person's state, ``"BR-SP"`` the nation's
    and that state's. A holiday has the hours ``holiday``, whichever day of the week it is.
    """

    weekdays: str = "open"
    saturday: str = "open"
    sunday: str = "open"
    holiday: str = "closed"
    holidays: str | tuple[str, ...] = ()


class QuietHoursSettings(HoursSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hours of one channel: its own keys are for marketing.

    ``spread`` is in seconds: what opens at 9:00 goes some time in as long after it.
    """

    spread: Annotated[float, msgspec.Meta(ge=0, le=43_200)] = 600.0
    transactional: HoursSettings | None = None


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many marketing messages one person gets at the most, in any 24 hours and 7 days."""

    marketing_per_day: Positive | None = None
    marketing_per_week: Positive | None = None


class DoNotDisturbSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom do-not-disturb lists protect from what: from marketing, and if so set from more."""

    transactional: bool = False


class SuppressionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``learned_days``: for how long it is believed that a provider never sends to an address."""

    learned_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 90


class LanguageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of one language, and what they are answered with; an empty answer is none."""

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stopped: str = ""
    started: str = ""


DEFAULT_LANGUAGES = {
    "pt": LanguageSettings(
        stop=("SAIR", "PARE", "PARAR", "CANCELAR", "DESCADASTRAR", "REMOVER"),
        start=("VOLTAR", "RETORNAR", "REATIVAR"),
        stopped="Pronto: voce nao recebera mais mensagens nossas. Para voltar a receber, "
        "responda VOLTAR.",
        started="Pronto: voce voltara a receber nossas mensagens. Para sair, responda SAIR.",
    ),
    "en": LanguageSettings(
        stop=("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "QUIT"),
        start=("START", "UNSTOP"),
        stopped="You will get no more messages from us. Reply START to get them again.",
        started="You will get our messages again. Reply STOP to end them.",
    ),
    "es": LanguageSettings(
        stop=("BAJA", "DETENER", "CANCELAR"),
        start=("ALTA", "VOLVER"),
        stopped="Listo: no recibira mas mensajes nuestros. Para volver a recibirlos, responda "
        "ALTA.",
        started="Listo: volvera a recibir nuestros mensajes. Para salir, responda BAJA.",
    ),
}
"""The first language wins where two share a word. No accents: one would make two segments."""


class KeywordMatch(StrEnum):
    """How much of a reply must be the word."""

    MESSAGE = "message"  # all of it
    FIRST_WORD = "first_word"  # its first word is enough to opt out, though not to opt in


class OptOutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person's reply can do.

    ``categories`` are those that a person who opts out gets no more.
    """

    enabled: bool = True
    match: KeywordMatch = KeywordMatch.FIRST_WORD
    categories: Annotated[tuple[Category, ...], msgspec.Meta(min_length=1)] = (
        Category.MARKETING,
        Category.TRANSACTIONAL,
    )
    languages: dict[str, LanguageSettings] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_LANGUAGES)
    )


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``grace``: seconds after which an occurrence is too late, so that ``misfire`` decides."""

    grace: Annotated[float, msgspec.Meta(ge=10, le=86_400)] = 300.0


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator says of one check instead of its plugin; ``time_limit`` in seconds."""

    on_failure: OnFailure | None = None
    time_limit: Annotated[float, msgspec.Meta(gt=0, le=60)] | None = None


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of it.

    ``retry_delays`` are in seconds, one for every retry at one account; ``poll_delays`` are those
    after which a provider is asked for DLRs that no webhook brought, the last one repeated.
    ``reply_poll`` and ``balance_poll`` are the seconds between two questions for MO messages and
    for the balance; 0: they are never asked. ``document_key`` is the key of the hashes that are
    stored of documents; made and kept in the database where it is absent. ``quiet_hours`` are by
    channel, ``checks`` by the check's id.
    """

    database: str
    public_url: str | None = None
    timezone: str = "America/Sao_Paulo"
    default_region: str = "BR"
    retry_delays: tuple[float, ...] = DEFAULT_RETRY_DELAYS
    poll_delays: tuple[float, ...] = DEFAULT_POLL_DELAYS
    reply_poll: float = DEFAULT_REPLY_POLL
    balance_poll: float = DEFAULT_BALANCE_POLL
    accounts: dict[str, AccountSettings] = {}
    routes: list[RouteSettings] = []
    sinks: dict[str, SinkSettings] = {}
    document_key: Secret | None = None
    suppressions: SuppressionSettings = SuppressionSettings()
    do_not_disturb: DoNotDisturbSettings = DoNotDisturbSettings()
    quiet_hours: dict[str, QuietHoursSettings] = {}
    limits: LimitSettings = LimitSettings()
    opt_out: OptOutSettings = OptOutSettings()
    checks: dict[str, CheckSettings] = {}
    schedules: ScheduleSettings = ScheduleSettings()

    def __repr__(self) -> str:
        # The database's address may hold a password.
        return f"EngineSettings(accounts={self.accounts!r}, routes={self.routes!r})"
