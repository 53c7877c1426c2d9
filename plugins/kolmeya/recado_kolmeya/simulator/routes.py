"""The vendor's operations: which path leads where."""

import re
from collections.abc import Callable

from recado_kolmeya.simulator import (
    blacklist,
    campaigns,
    catalogues,
    replies,
    reports,
    sending,
    statuses,
)
from recado_kolmeya.simulator.answers import Answer
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.world import World

Handler = Callable[[World, Call], Answer]

TRY_WEBHOOK = "/v1/sms/webhook"  # the one operation that waits for somebody else
OPERATIONS: dict[str, Handler] = {
    "/v1/sms/store": sending.store,
    "/v1/sms/store-token": sending.store_token,
    "/v1/sms/status/request": statuses.request_status,
    "/v1/sms/status/message": statuses.message_status,
    "/v1/sms/replys": replies.replies_to_requests,
    "/v1/sms/replys-web": replies.replies_to_campaigns,
    "/v1/sms/balance": catalogues.balance,
    "/v1/sms/segments": catalogues.segments,
    "/v1/sms/apis": catalogues.apis,
    "/v1/sms/layouts": catalogues.layouts,
    "/v1/sms/reports/statuses": reports.statuses,
    "/v1/sms/reports/statuses/{jobId}": reports.statuses_of_job,
    "/v1/sms/reports/jobs": campaigns.jobs,
    "/v1/sms/reports/requests": reports.requests,
    "/v1/sms/reports/quantity-jobs": campaigns.quantity_jobs,
    "/v1/sms/reports/invalid-records": reports.invalid_records,
    "/v1/sms/accesses": reports.accesses,
    "/v1/blacklist/store": blacklist.add_phones,
    "/v1/blacklist/destroy": blacklist.remove_phones,
    "/v1/sms/jobs/{smsJob}/pause": campaigns.pause,
    "/v1/sms/jobs/{smsJob}/play": campaigns.play,
}

_PATTERNS = (
    (re.compile(r"/v1/sms/jobs/([0-9]{1,15})/pause"), "/v1/sms/jobs/{smsJob}/pause"),
    (re.compile(r"/v1/sms/jobs/([0-9]{1,15})/play"), "/v1/sms/jobs/{smsJob}/play"),
    (re.compile(r"/v1/sms/reports/statuses/([^/]+)"), "/v1/sms/reports/statuses/{jobId}"),
)


def find_operation(method: str, path: str) -> tuple[str, str] | None:
    """Find the operation of a path, and the job it names; None if there is none."""
    if method != "POST" or "{" in path:
        return None
    if path in OPERATIONS or path == TRY_WEBHOOK:
        return path, ""
    for pattern, operation in _PATTERNS:
        found = pattern.fullmatch(path)
        if found:
            return operation, found[1]
    return None
