"""The matrix: every switch with each of its values, one at a time or in pairs."""

from functools import partial
from itertools import combinations
from typing import Literal, NamedTuple, get_args, get_origin

import msgspec
from recado_kolmeya.simulator.switches import Fault, FaultKind, Switches

from .stage import make_switches


class Row(NamedTuple):
    switch: str
    value: object
    beside: dict[str, object]  # without which nothing would tell this value from the default

    @property
    def switches(self):
        return make_switches(**self.beside, **{self.switch: self.value})

    @property
    def name(self):
        return f"{self.switch}={_text(self.value)}"


def _text(value):
    if isinstance(value, tuple):
        return "+".join(map(_text, value)) or "none"
    if not isinstance(value, Fault):
        return str(value)
    plain = Fault(kind=value.kind)
    fields = ((name, getattr(value, name)) for name in Fault.__struct_fields__)
    more = (f",{name}={part}" for name, part in fields if part != getattr(plain, name))
    return value.kind + "".join(more)


FAULTS = (
    *(Fault(kind=kind) for kind in FaultKind),
    *(Fault(kind=kind, every=3) for kind in FaultKind),
    *(Fault(kind=kind, next=1, accepts=accepts) for kind in FaultKind for accepts in (True, False)),
    Fault(kind=FaultKind.ERROR, status=503),
    Fault(kind=FaultKind.ERROR, path="sms/balance"),
    Fault(kind=FaultKind.ERROR, after=1.0),
    Fault(kind=FaultKind.ERROR, during=0.005),
    Fault(kind=FaultKind.ERROR, probability=0.0),
)
TELLING = {
    "token": ("", "another-token"),
    "allowed_ips": (("127.0.0.1",), ("192.0.2.1",)),
    "rate_limit": (0, 2),
    "rate_window": (5.0,),
    "missing_phone_status": (422,),
    "invalid_error": ("Sem cobertura",),
    "blacklist": ((21900000003,),),
    "not_disturb": ((11900000009,),),
    "sent_delay": (20.0,),
    "final_delay": (0.0, 20.0),
    "final_spread": (40.0,),
    "undelivered_rate": (1.0,),
    "rejected_rate": (1.0,),
    "expired_rate": (1.0,),
    "invalid_rate": (1.0,),
    "seed": (7,),
    "statuses_per_body": (1,),
    "webhook_concurrency": (1,),
    "webhook_timeout": (0.5,),
    "webhook_retries": (2,),
    "webhook_retry_delay": (30.0,),
    "webhook_delay": (30.0,),
    "webhook_jitter": (20.0,),
    "webhook_duplicate": (1.0,),
    "webhook_drop": (1.0,),
    "webhook_unknown_id": (1.0,),
    "reply_every": (1,),
    "reply_word": ("promoção",),
    "reply_text": ("Não, ñ 🎉",),
    "reply_delay": (30.0,),
    "replies_per_page": (1,),
    "balance": ("0.50",),
    "price": ("1.25",),
    "segments": (("109:CORPORATIVO", "7:VENDAS"),),
    "latency": (0.001,),
    "timeout_seconds": (0.01,),
    "faults": tuple((fault,) for fault in FAULTS),
}
"""The values, beside their defaults, of switches that have more than can be tried."""

BESIDE = {
    "clock=real": {"sent_delay": 5.0, "final_delay": 20.0},
    "rate_limit=2": {"rate_window": 5.0},
    "rate_window=5.0": {"rate_limit": 2},
    "final_spread=40.0": {"statuses_per_body": 1},
    "seed=7": {"undelivered_rate": 0.5},
    "webhook_jitter=20.0": {"seed": 7},
    "webhook_retry_delay=30.0": {"webhook_retries": 1},
    "empty_balance=forbid": {"balance": "2.00"},
    "empty_balance=invalid": {"balance": "2.00"},
    "faults": {"timeout_seconds": 0.01, "rate_window": 5.0},  # also what a 429 asks to be waited
}

SHAPES = (
    "error_form",
    "lists",
    "list_items",
    "duplicates_key",
    "missing_phone_status",
    "forbidden_text",
    "unknown_request",
    "statuses_per_body",
    "webhook_payload",
    "reply_form",
    "replies_per_page",
    "balance_form",
    "report_form",
)
"""The switches that change only how the vendor writes what it says."""


def values_of(name, kind, default):
    """Return a switch's values: all if it has few, else the default and the telling ones."""
    if hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    if kind is bool:
        return (default, not default)
    if get_origin(kind) is Literal:
        return (default, *(value for value in get_args(kind) if value != default))
    return (default, *TELLING.get(name, ()))


DEFAULTS = make_switches()
VALUES = {
    field.name: values_of(field.name, field.type, getattr(DEFAULTS, field.name))
    for field in msgspec.structs.fields(Switches)
}


def _row(name, value):
    row = Row(name, value, {})
    return row._replace(beside=BESIDE.get(row.name, BESIDE.get(name, {})))


ROWS = [_row(name, value) for name, values in VALUES.items() for value in values[1:]]


def cover_pairs(values):
    """Return combinations in which any two values of any two switches meet, as few as come easily.

    Args:
        values: The values of each switch.
    """
    wanted = {
        frozenset({(one, first), (other, second)})
        for one, other in combinations(values, 2)
        for first in values[one]
        for second in values[other]
    }
    found = []
    while wanted:
        chosen = dict(min(map(sorted, wanted), key=repr))
        for name in [name for name in values if name not in chosen]:
            chosen[name] = max(values[name], key=partial(_meets, wanted, chosen, name))
        wanted -= {frozenset(pair) for pair in combinations(chosen.items(), 2)}
        found.append({name: chosen[name] for name in values})
    return found


def _meets(wanted, chosen, name, value):
    return sum(frozenset({each, (name, value)}) in wanted for each in chosen.items())


PAIRS = cover_pairs({name: VALUES[name] for name in SHAPES})
