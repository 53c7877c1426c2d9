"""Every switch of the simulator: its name, its default and what it does."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct


class FaultKind(StrEnum):
    """What goes wrong with an answer."""

    TIMEOUT = "timeout"  # carried out, never answered
    ERROR = "error"  # 500 with a JSON body
    HTML = "html"  # a web page, as a proxy in front of the vendor gives
    JSON = "json"  # carried out, the JSON cut in the middle
    CLOSE = "close"  # the connection closed in the middle of the answer
    THROTTLE = "throttle"  # 429 with Retry-After


# These reach the client after the vendor has done its work, so the client is left in doubt.
CARRIED_OUT = frozenset({FaultKind.TIMEOUT, FaultKind.JSON})


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong: for the next calls, by probability, by turns or by the clock."""

    kind: FaultKind
    next: Annotated[int, Meta(ge=1)] | None = None  # only so many requests, then never again
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    every: Annotated[int, Meta(ge=1)] = 1  # only every Nth request on that path
    after: Annotated[float, Meta(ge=0)] = 0.0  # seconds from when the fault was set
    during: Annotated[float, Meta(ge=0)] | None = None  # seconds it lasts from then on
    path: str = ""  # only paths that contain this
    accepts: bool | None = None  # carried out before it goes wrong; None: as its kind does
    status: Annotated[int, Meta(ge=200, le=599)] | None = None  # instead of the kind's own

    @property
    def carried_out(self) -> bool:
        """Say whether the request takes effect although its answer goes wrong."""
        return self.kind in CARRIED_OUT if self.accepts is None else self.accepts


Probability = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
MoneyText = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]


class Switches(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulator behaves; the defaults are the vendor's behaviour as far as it is known."""

    # Who may call
    token: Annotated[str, Meta(description="bearer token to demand; empty accepts any")] = (
        "kolmeya-simulator"  # noqa: S105 - a made-up token for a made-up vendor
    )
    allowed_ips: Annotated[
        tuple[str, ...], Meta(description="addresses that may call; none given: all, else 403")
    ] = ()
    tenant_blocked: Annotated[bool, Meta(description="answer store and store-token with 403")] = (
        False
    )
    error_form: Annotated[
        Literal["message", "errors"],
        Meta(description="401, 403 and 429 as {message} or as {errors: [...]}"),
    ] = "message"
    rate_limit: Annotated[
        int, Meta(ge=0, description="requests in one window; 0: no limit and no headers")
    ] = 500
    rate_window: Annotated[
        float, Meta(gt=0, description="length of the rate window in seconds")
    ] = 60.0

    # Sending
    lists: Annotated[
        Literal["list", "object", "null"],
        Meta(description="blacklist and not_disturb as lists, as one object, or null when empty"),
    ] = "list"
    list_items: Annotated[
        Literal["phone", "reference"],
        Meta(description="items of duplicates, blacklist, not_disturb: phone, or with reference"),
    ] = "phone"
    duplicates_key: Annotated[bool, Meta(description="answer a store with duplicates")] = True
    duplicate_rule: Annotated[
        Literal["phone_and_text", "phone", "none"],
        Meta(description="what makes a later message of one request a duplicate"),
    ] = "phone_and_text"
    strict_phones: Annotated[
        bool, Meta(description="a phone with anything but digits (such as +) is invalid")
    ] = True
    missing_phone_status: Annotated[
        int, Meta(ge=400, le=599, description="HTTP status for a message without phone")
    ] = 500
    invalid_error: Annotated[str, Meta(description="text of invalids[].error")] = (
        "Telefone inválido"
    )
    blacklist: Annotated[
        tuple[int, ...], Meta(description="phones on the blacklist from the start")
    ] = ()
    not_disturb: Annotated[
        tuple[int, ...],
        Meta(description="phones on São Paulo's do-not-disturb list; area codes 11 to 19 count"),
    ] = ()
    forbidden_text: Annotated[
        Literal["status", "invalids"],
        Meta(description="a link or 0800 in store-token: 422, or an entry of invalids"),
    ] = "status"
    unknown_request: Annotated[
        Literal["missing", "empty", "invalid"],
        Meta(description="status/request of an unknown id: 404, 200 without messages, or 422"),
    ] = "missing"

    # Fate of the messages
    clock: Annotated[
        Literal["real", "manual"], Meta(description="manual: time stands until it is advanced")
    ] = "real"
    sent_delay: Annotated[Seconds, Meta(description="seconds until status 2")] = 0.05
    final_delay: Annotated[Seconds, Meta(description="seconds until the final status")] = 0.2
    final_spread: Annotated[
        Seconds, Meta(description="seconds over which one request's final statuses spread")
    ] = 0.0
    undelivered_rate: Annotated[Probability, Meta(description="share that ends in status 4")] = 0.0
    rejected_rate: Annotated[Probability, Meta(description="share that ends in status 5")] = 0.0
    expired_rate: Annotated[Probability, Meta(description="share that ends in status 6")] = 0.0
    invalid_rate: Annotated[Probability, Meta(description="share that store finds invalid")] = 0.0
    seed: Annotated[int | None, Meta(description="seed of everything left to chance")] = None
    forget: Annotated[
        bool, Meta(description="drop a request once final; what was seen twice stays exact")
    ] = False

    # Webhooks
    webhooks: Annotated[bool, Meta(description="send webhooks at all")] = True
    statuses_per_body: Annotated[
        int, Meta(ge=1, le=1000, description="most statuses or replies in one webhook")
    ] = 1000
    webhook_concurrency: Annotated[int, Meta(ge=1, description="webhooks under way at once")] = 8
    webhook_timeout: Annotated[
        float, Meta(gt=0, description="seconds to wait for a webhook's answer")
    ] = 10.0
    webhook_retries: Annotated[
        int, Meta(ge=0, description="repeats of a failed webhook; undocumented, so none")
    ] = 0
    webhook_retry_delay: Annotated[Seconds, Meta(description="seconds between those")] = 1.0
    webhook_delay: Annotated[Seconds, Meta(description="seconds every webhook is held back")] = 0.0
    webhook_jitter: Annotated[
        Seconds, Meta(description="up to so many further seconds, drawn for each webhook")
    ] = 0.0
    webhook_reorder: Annotated[bool, Meta(description="send the newest waiting webhook first")] = (
        False
    )
    webhook_duplicate: Annotated[
        Probability, Meta(description="share of webhooks that are sent twice")
    ] = 0.0
    webhook_drop: Annotated[
        Probability, Meta(description="share of webhooks that are never sent")
    ] = 0.0
    webhook_unknown_id: Annotated[
        Probability, Meta(description="share of status webhooks with one message never sent")
    ] = 0.0
    webhook_payload: Annotated[bool, Meta(description="wrap every webhook in {payload: ...}")] = (
        False
    )
    reply_form: Annotated[
        Literal["array", "object"],
        Meta(description="reply webhook as documented, or as the single object of old documents"),
    ] = "array"

    # Replies
    reply_every: Annotated[
        int, Meta(ge=0, description="every Nth delivered message is answered; 0: none")
    ] = 0
    reply_word: Annotated[
        str, Meta(description="a delivered message that contains this word is answered")
    ] = ""
    reply_text: Annotated[str, Meta(description="what those answers say")] = "SIM"
    reply_delay: Annotated[Seconds, Meta(description="seconds from delivery to answer")] = 0.3
    replies_per_page: Annotated[
        int, Meta(ge=1, description="page size of replys and replys-web")
    ] = 1000

    # Money and catalogues
    balance: Annotated[MoneyText, Meta(description="balance at the start, in reais")] = "9397.30"
    price: Annotated[MoneyText, Meta(description="price of one valid message, in reais")] = "0.08"
    balance_form: Annotated[
        Literal["text", "decimal"], Meta(description='"R$9.397,30" or "9397.30"')
    ] = "text"
    empty_balance: Annotated[
        Literal["send", "forbid", "invalid"],
        Meta(description="a store above the balance: sent, 403, or every message invalid"),
    ] = "send"
    segments: Annotated[
        tuple[Annotated[str, Meta(pattern="^[0-9]{1,9}:.+$")], ...],
        Meta(min_length=1, description="cost centres as ID:NAME, the first is the default"),
    ] = ("109:CORPORATIVO",)
    report_form: Annotated[
        Literal["observed", "documented"],
        Meta(description="reports as seen from the live service, or as its description says"),
    ] = "observed"

    # What goes wrong
    latency: Annotated[Seconds, Meta(description="seconds between the work and the answer")] = 0.0
    timeout_seconds: Annotated[
        Seconds, Meta(description="how long a timeout fault leaves the client waiting")
    ] = 120.0
    faults: Annotated[
        tuple[Fault, ...], Meta(description="KIND[,key=value...]; the first that matches happens")
    ] = ()

    @property
    def has_chance_endings(self) -> bool:
        """Say whether a message's ending is left to chance."""
        return bool(
            self.undelivered_rate or self.rejected_rate or self.expired_rate or self.invalid_rate
        )

    @property
    def unit_price(self) -> Decimal:
        """Give the price as a number."""
        return Decimal(self.price)
