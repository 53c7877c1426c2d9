"""What comes otherwise than usual under each value of a switch; not named: nothing."""

from .accounts import FIRST, SECOND, THIRD
from .expectations import Difference
from .faults import FAULT_DIFFERENCES
from .operations import API_REPLY, API_ROWS, CAMPAIGN_ROWS, JOB, STATES, SUMMARY
from .scenes import BLACKLISTED, DUPLICATE, INVALID, SCENES, UNDISTURBED
from .sending import CODES, FORBIDDEN, NATIONAL, POLLED, SORTED, TOLD
from .webhooks import CAMPAIGN_REPLY, REPLIES

# ---------------------------------------------------------------- sending

THERE, AGAIN = "vendor's messages", "vendor's repeated"
TAKEN = SCENES["sorting"].usual[THERE]


def _sorted(taken, **outcomes):
    return {
        "outcomes": SORTED | {key.replace("_", " "): text for key, text in outcomes.items()}
    } | {THERE: sorted(taken)}


def _ending(fate, status, state):
    """Return what comes of it when all that would be delivered ends otherwise."""
    plain = STATES[0] | {"status": status, "status_code": int(fate.split()[1])}
    api_row = [API_ROWS[0][0], status, *API_ROWS[0][2:]]
    return Difference(
        {
            "national_phones": {"told": {"plain": fate, "landline": fate}},
            "codes": {"told": {"code": fate, "not to be disturbed": fate}},
            "fates": {
                "polled": POLLED | {"delivered": fate},
                "told": TOLD | {"delivered": fate},
            },
            "webhooks": {"told statuses": STATUSES | {"quiet": fate}},
            "gateway_away": {"polled": [state]},
            "questions": {"request": REQUEST | {"messages": [plain, *STATES[1:]]}},
            "reports": {
                "statuses": [api_row, API_ROWS[1], *CAMPAIGN_ROWS],
                "two statuses": [[api_row, API_ROWS[1]], True],
            },
        }
    )


STATUSES = SCENES["webhooks"].usual["told statuses"]
REQUEST = SCENES["questions"].usual["request"]
LOST = SCENES["reports"].usual["lost by api"]
PASSED = {
    "wrong_token": {
        "send": "accepted",
        "lookup": False,
        "poll": [],
        "replies": [],
        "balance": "9397.22",
        "verify": "Kolmeya accepts the token; balance R$ 9397.22",
        "suppress": None,
        "operation": SCENES["catalogues"].usual["segments"],
        "said": None,
    }
}
THIRD_TRY = {"phoneless": {"failure": "TransientSendError 429"}}  # of a call that fails with 500
NOT_LISTED = (
    "rejected as unlisted: Kolmeya took the request, named this message in none of its lists"
    " and does not hold it"
)
INVALID_ALL = {
    "sorting": {
        "outcomes": {
            label: INVALID if outcome == "accepted" else outcome
            for label, outcome in SORTED.items()
        },
        THERE: [],
    },
    "national_phones": {
        "outcomes": NATIONAL | {"plain": INVALID, "landline": INVALID},
        "told": {},
    },
    "codes": {
        "outcomes": CODES | FORBIDDEN | {"code": INVALID, "not to be disturbed": INVALID},
        "told": {},
    },
    "lookups": {"whole": False, "partly": False},
    "fates": {
        part: {label: fate for label, fate in told.items() if label != "delivered"}
        for part, told in SCENES["fates"].usual.items()
    },
    "webhooks": {
        "told statuses": {label: fate for label, fate in STATUSES.items() if label != "quiet"}
    },
    "gateway_away": {"told in vain": 0, "polled": []},
    "money": {"outcomes": [INVALID], "after": "9397.30"},
    "blacklist": {
        "while listed": {"first": BLACKLISTED, "second": INVALID},
        "then": {"first again": INVALID},
    },
    "questions": {"request": REQUEST | {"messages": STATES[1:]}},
    "reports": {
        "statuses": [API_ROWS[1], *CAMPAIGN_ROWS],
        "two statuses": [[API_ROWS[1], *CAMPAIGN_ROWS], True],
        "requests": [["kolmeya's batch", "batch", "Válido", 3, 1, 2, "+0 min"]],
        "lost by api": [*LOST, ["+5521900000001", *LOST[0][1:]]],
    },
}
FORGOTTEN = {
    "fates": {"polled": {}},
    "gateway_away": {"polled": []},
    "questions": dict.fromkeys(
        ("request", "message by reference", "message by id"), "PermanentSendError 404"
    ),
    "reports": SCENES["reports"].unsent,
}

# ---------------------------------------------------------------- webhooks, replies, reports


def _without_webhooks():
    return Difference(
        {
            name: {
                part: type(usual)()
                for part, usual in scene.usual.items()
                if part.startswith("told")
            }
            for name, scene in SCENES.items()
        }
    )


def _with_strangers():
    said = {"of a stranger": "delivered 3"}
    return Difference(
        {
            name: {part: SCENES[name].usual[part] | said}
            for name, part in (
                ("national_phones", "told"),
                ("codes", "told"),
                ("fates", "told"),
                ("webhooks", "told statuses"),
            )
        }
    )


def _replying(*replies):
    """Return what comes of it when these replies come to the messages of the two scenes."""
    heard = sorted([CAMPAIGN_REPLY, *replies], key=repr)
    return {"webhooks": {"told replies": heard}, "replies": {"polled": heard, "told": heard}}


QUIET_REPLY = ["+5521900000001", "SIM", "quiet", "kolmeya's quiet", "+0 min"]
FIRST_REPLY = list(API_REPLY.values())
PLAIN_MESSAGE = {"id": "kolmeya's plain", "reference": "plain", "phone": "+5521900000001"}
PLAIN_REPLY = list((API_REPLY | {"message": PLAIN_MESSAGE}).values())
OTHER_TEXT = "Não, ñ 🎉"
OTHER_REPLY = [REPLIES[0][0], OTHER_TEXT, *REPLIES[0][2:]]
LATE = {"gateway_away": {"told in vain": 0, "told again": 1}}  # the first second is over by then
TOLD_AGAIN = {"gateway_away": {"told again": 1}}
BY_POSITION = [[*CAMPAIGN_ROWS[0][:6], {"0": "Ouro"}, CAMPAIGN_ROWS[0][7]]]
SALES = [[*row[:7], "VENDAS"] for row in API_ROWS]
PAID = SUMMARY | {"valor_pago": "3.75"}
OTHER_FIRST = list((API_REPLY | {"reply": OTHER_TEXT}).values())
UNPAID = {"before": "2.00", "after": "2.00"}

DIFFERENCES = {
    **FAULT_DIFFERENCES,
    "token=": Difference(PASSED),
    "token=another-token": Difference(PASSED, refused="AccountError 401"),
    "allowed_ips=192.0.2.1": Difference(
        {"wrong_token": SCENES["wrong_token"].usual}, refused="AccountError 403"
    ),
    "tenant_blocked=True": Difference(
        {"phoneless": {"failure": "AccountError 403"}}, unsent="AccountError 403"
    ),
    "rate_limit=2": Difference(THIRD_TRY),
    "rate_window=5.0": Difference(THIRD_TRY),
    "duplicates_key=False": Difference(
        {"sorting": _sorted(TAKEN, again=NOT_LISTED, duplicate=NOT_LISTED)}
    ),
    "duplicate_rule=phone": Difference(
        {"sorting": _sorted(set(TAKEN) - {"another text"}, another_text=DUPLICATE)}
    ),
    "duplicate_rule=none": Difference({"sorting": _sorted([*TAKEN, "again"], again="accepted")}),
    "missing_phone_status=422": Difference({"phoneless": {"failure": "PermanentSendError 422"}}),
    "invalid_error=Sem cobertura": Difference(
        {
            "sorting": _sorted(TAKEN, invalid="rejected as invalid: Sem cobertura"),
            "codes": {
                "outcomes": CODES | FORBIDDEN | {"invalid": "rejected as invalid: Sem cobertura"}
            },
        }
    ),
    "blacklist=21900000003": Difference(
        {
            "sorting": _sorted(set(TAKEN) - {"maybe listed"}, maybe_listed=BLACKLISTED),
            "money": {"outcomes": ["accepted", BLACKLISTED], "after": "9389.38"},
            "blacklist": {
                "vendor's list": [{"phone": "21900000003"}, FIRST, THIRD, SECOND],
                "vendor's list at last": [{"phone": "21900000003"}, SECOND],
            },
        }
    ),
    "not_disturb=11900000009": Difference(
        {"sorting": _sorted(set(TAKEN) - {"maybe spared"}, maybe_spared=UNDISTURBED)}
    ),
    "unknown_request=empty": Difference(
        {
            "questions": {
                "request unknown": {
                    "id": "",
                    "reference": "of nobody",
                    "status": "Válido",
                    "status_code": 2,
                    "messages": [],
                    "unreadable": 0,
                }
            }
        }
    ),
    "unknown_request=invalid": Difference(
        {"questions": {"request unknown": "PermanentSendError 422"}}
    ),
    "clock=real": Difference(LATE),
    "sent_delay=20.0": Difference(LATE),
    "final_delay=20.0": Difference(LATE),
    "undelivered_rate=1.0": _ending("undelivered 4", "Não entregue", "undelivered"),
    "rejected_rate=1.0": _ending("rejected 5", "Rejeitado no broker", "rejected"),
    "expired_rate=1.0": _ending("expired 6", "Expirada", "expired"),
    "invalid_rate=1.0": Difference(INVALID_ALL),
    "seed=7": _ending("undelivered 4", "Não entregue", "undelivered"),  # as it happens
    "forget=True": Difference(FORGOTTEN),
    "webhooks=False": _without_webhooks(),
    "webhook_drop=1.0": _without_webhooks(),
    "webhook_retries=2": Difference(TOLD_AGAIN),
    "webhook_retry_delay=30.0": Difference(TOLD_AGAIN),
    "webhook_delay=30.0": Difference(LATE),
    "webhook_jitter=20.0": Difference(LATE),
    "webhook_duplicate=1.0": Difference({"gateway_away": {"told in vain": 2}}),
    "webhook_unknown_id=1.0": _with_strangers(),
    "reply_every=1": Difference(
        {
            **_replying(*REPLIES, QUIET_REPLY),
            "gateway_away": {"told in vain": 2},
            "questions": {"replys": [FIRST_REPLY, PLAIN_REPLY]},
        }
    ),
    "reply_word=promoção": Difference(_replying(*REPLIES, QUIET_REPLY)),
    "reply_text=Não, ñ 🎉": Difference(
        {**_replying(OTHER_REPLY, REPLIES[1]), "questions": {"replys": [OTHER_FIRST]}}
    ),
    "balance=0.50": Difference({"money": {"before": "0.50", "after": "-7.50"}}),
    "price=1.25": Difference(
        {"money": {"after": "9272.30"}, "campaigns": {"quantities": [list(PAID.values())]}}
    ),
    "empty_balance=forbid": Difference({"money": UNPAID | {"outcomes": ["AccountError 403"]}}),
    "empty_balance=invalid": Difference({"money": UNPAID | {"outcomes": ["AccountError invalid"]}}),
    "segments=109:CORPORATIVO+7:VENDAS": Difference(
        {
            "catalogues": {
                "segments": {
                    "segments": [{"id": 109, "name": "CORPORATIVO"}, {"id": 7, "name": "VENDAS"}],
                    "unreadable": 0,
                }
            },
            "reports": {
                "statuses": SALES + CAMPAIGN_ROWS,
                "two statuses": [SALES, True],
                "lost by api": [[*LOST[0][:3], "VENDAS"]],
            },
        }
    ),
    "report_form=documented": Difference(  # which has numbers alone, and values without names
        {
            "campaigns": {
                "jobs": {"jobs": [JOB | {"created": None, "approved": None}], "unreadable": 0}
            },
            "reports": {
                "statuses": API_ROWS + BY_POSITION,
                "statuses of a job": BY_POSITION,
            },
        }
    ),
}

UNSEEN = {
    "allowed_ips=127.0.0.1": "that is where the calls come from",
    "strict_phones=False": "the plugin writes phones with digits alone",
    "webhook_concurrency=1": "no webhook takes long here",
    "webhook_timeout=0.5": "no webhook takes long here",
    "latency=0.001": "time alone",
    "timeout_seconds=0.01": "time alone, and nothing without the fault",
    "faults=error,probability=0.0": "it never happens",
}
"""Values that nothing here tells from the default, and why."""

CHANCY = {
    "clock=real": "seconds pass, or not",
    "seed=7": "without it, everything may come",
}
"""Values of which the same can't be said, as two runs without them differ already."""
