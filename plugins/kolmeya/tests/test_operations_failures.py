"""What goes wrong at Kolmeya, in every operation."""

import httpx
import pytest
from recado_core import (
    AccountError,
    InDoubtError,
    PermanentSendError,
    SendError,
    TransientSendError,
)
from recado_kolmeya.simulator.switches import Fault, FaultKind

from .account import open_account, open_world
from .test_operations_requests import GOOD, NAMES

REQUESTS = dict(GOOD)
SILENT = ("jobs-pause", "jobs-play", "webhook")  # to ask again would be to do it again
REQUESTS["jobs-play"] = REQUESTS["jobs-pause"]
REQUESTS["blacklist-store"] = REQUESTS["blacklist-destroy"]
names = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_every_operation_is_tried():
    assert REQUESTS.keys() == set(NAMES)


@names
@pytest.mark.parametrize("form", ["message", "errors"])
async def test_wrong_token_is_the_accounts(name, form):
    async with open_world(token="another", error_form=form) as (_, account):
        with pytest.raises(AccountError, match=r"401: .*Unauthenticated") as error:
            await account.run(name, **REQUESTS[name])
    assert "kolmeya-simulator" not in str(error.value)


@names
async def test_address_that_is_not_released_is_the_accounts(name):
    async with open_world(allowed_ips=("192.0.2.7",)) as (_, account):
        with pytest.raises(AccountError, match=r"403: .*unauthorized"):
            await account.run(name, **REQUESTS[name])


@names
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.ERROR, TransientSendError),
        (FaultKind.HTML, TransientSendError),
        (FaultKind.THROTTLE, TransientSendError),
        (FaultKind.TIMEOUT, None),
        (FaultKind.CLOSE, None),
    ],
)
async def test_trouble_is_a_send_error(name, kind, error):
    silent = InDoubtError if name in SILENT else TransientSendError
    async with open_world(faults=(Fault(kind=kind),), timeout_seconds=0) as (_, account):
        with pytest.raises(error or silent) as raised:
            await account.run(name, **REQUESTS[name])
    if kind is FaultKind.THROTTLE:
        assert raised.value.throttled
        assert raised.value.retry_after


@pytest.mark.parametrize("name", [name for name in NAMES if "blacklist" not in name])
@pytest.mark.parametrize(
    "content",
    [b"<html>", b"", b"7", b'"text"', b"null", b'{"message": "?', b'{"x": 1}', b"[" * 5000],
)
async def test_answer_that_makes_no_sense_is_no_answer(name, content):
    """The blacklist's answers are tried with ``suppress``, which they are those of."""
    vendor = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    async with open_world() as (world, _), open_account(vendor, world.now) as account:
        with pytest.raises(SendError) as raised:
            await account.run(name, **REQUESTS[name])
    assert type(raised.value) is (InDoubtError if name in SILENT else TransientSendError)


@names
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"message": "Inválido.", "errors": {"x": ["Inválido."]}}),
        (404, {"errors": ["Not found."]}),
        (400, {"error": "Inválido."}),
    ],
)
async def test_refusal_is_in_kolmeyas_words(name, status, body):
    vendor = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    async with open_world() as (world, _), open_account(vendor, world.now) as account:
        with pytest.raises(
            PermanentSendError, match=rf"{status}: .*(Inválido|Not found)\."
        ) as error:
            await account.run(name, **REQUESTS[name])
    assert error.value.code == str(status)


async def test_failure_halfway_leaves_no_half_report():
    async with open_world(faults=(Fault(kind=FaultKind.ERROR, every=2),)) as (world, account):
        with pytest.raises(TransientSendError):
            await account.run("reports-statuses", start_at=world.ago(days=20))
    assert len(account.exchanges) == 2
    assert account.progress == [(1, 3)]
