"""What comes of faults: a call that fails is made again, and a message is sent but once."""

from recado_kolmeya.simulator.switches import FaultKind

from .expectations import Difference, fill
from .operations import API_REPLY, API_ROWS, CAMPAIGN_ROWS, SUMMARY
from .scenes import FAILS, SCENES
from .sending import SORTED

CODES = {
    FaultKind.TIMEOUT: None,
    FaultKind.ERROR: 500,
    FaultKind.HTML: 502,
    FaultKind.JSON: 200,
    FaultKind.CLOSE: None,
    FaultKind.THROTTLE: 429,
}
SILENT = {FaultKind.TIMEOUT, FaultKind.JSON, FaultKind.CLOSE}  # no word of what was done
DONE = {FaultKind.TIMEOUT, FaultKind.JSON}

TAKEN = SCENES["sorting"].usual["vendor's messages"]
REQUESTS = SCENES["reports"].usual["requests"]
LOST = SCENES["reports"].usual["lost by api"]
PAUSED = SCENES["campaigns"].usual["pause"]

# What was refused is sent again, where the duplicate of a message is one no longer.
SENT_AGAIN = {
    "sorting": {
        "outcomes": SORTED | {"again": "accepted"},
        "vendor's messages": sorted([*TAKEN, "again"]),
    },
    "reports": {
        "requests": [["kolmeya's batch", "batch", "Válido", 1, 0, 1, "+0 min"], *REQUESTS],
        "lost by api": LOST * 2,
    },
}
# Of a 429 nobody believes that the call was carried out.
SENT_TWICE = {
    "sorting": {"vendor's repeated": TAKEN},
    "gateway_away": {"told in vain": 2},
    "questions": {"replys": [list(API_REPLY.values())] * 2},
    "reports": {
        "statuses": API_ROWS * 2 + CAMPAIGN_ROWS,
        "requests": REQUESTS * 2,
        "lost by api": LOST * 2,
    },
}
# What is asked after the first second.
LATER = {
    "fates": {"polled": FAILS, "vain": FAILS},
    "replies": {"polled": FAILS, "polled twice": FAILS, "not polled": FAILS},
    "gateway_away": {"polled": FAILS},
    "questions": SCENES["questions"].refused,
    "reports": dict.fromkeys(SCENES["reports"].usual, FAILS),
    "campaigns": {
        **SCENES["campaigns"].refused,
        "pause": PAUSED,
        "vendor's campaign while paused": "on its way",
        "vendor's campaign at last": "on its way",
    },
}


def _always(kind):
    code = CODES[kind]
    in_doubt = f"InDoubtError {code}" if kind in SILENT else None
    return Difference(
        refused=f"TransientSendError {code}", in_doubt=in_doubt, carried_out=kind in DONE
    )


def _every_third(kind):
    """Return what comes of it when every third call fails; a change in doubt is not made again."""
    code = CODES[kind]
    campaigns = {"play": f"InDoubtError {code}"} if kind in SILENT else {}
    if kind in SILENT - DONE:
        summary = SUMMARY | {"enviados": 0, "entregues": 0, "nao_entregues": 0}
        campaigns |= {
            "vendor's campaign at last": "on its way",
            "pause again": PAUSED,
            "quantities": [list(summary.values())],
        }
    failure = f"TransientSendError {code}"  # met by the third try of what fails without it, too
    return Difference({"phoneless": {"failure": failure}, "campaigns": campaigns})


FAULT_DIFFERENCES = {
    **{f"faults={kind}": _always(kind) for kind in FaultKind},
    **{f"faults={kind},every=3": _every_third(kind) for kind in FaultKind},
    **{f"faults={kind},next=1,accepts=True": Difference(SENT_AGAIN) for kind in FaultKind},
    "faults=throttle,next=1,accepts=True": Difference(SENT_TWICE),
    "faults=error,status=503": Difference(refused="TransientSendError 503"),
    "faults=error,path=sms/balance": Difference(
        {
            "money": dict.fromkeys(("before", "after", "verified"), "TransientSendError 500"),
            "wrong_token": dict.fromkeys(("balance", "verify", "said"), "TransientSendError 500"),
        }
    ),
    "faults=error,after=1.0": Difference(
        fill(LATER, "TransientSendError 500", "TransientSendError 500")
    ),
}
