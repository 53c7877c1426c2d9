"""Accounts: what they can do, how they stand, and what else their providers offer."""

from functools import cache
from typing import Any

import msgspec
from litestar.params import FromPath
from recado_core.engine.accounts.account import AccountView
from recado_core.engine.accounts.accounts import BalanceView, Verification
from recado_core.engine.accounts.operations import OperationView

from recado_gateway.endpoints import (
    PROVIDER_PROBLEMS,
    Endpoint,
    Listing,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.requests import Request, decode_json, read_json
from recado_gateway.responses import Response

TAG = "Accounts"


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an account is paused, for whoever looks at it next."""

    reason: str = "paused by an operator"


_pause = msgspec.json.Decoder(PauseRequest)


@endpoint("GET", "/v1/accounts", Endpoint(tag=TAG, scope="manage", answer=Listing[AccountView]))
async def list_accounts(request: Request) -> Response:
    """List the configured accounts."""
    return answer_with(Listing(items=await engine_of(request).accounts.list()))


@endpoint("GET", "/v1/accounts/{name:str}", Endpoint(tag=TAG, scope="manage", answer=AccountView))
async def get_account(request: Request, name: FromPath[str]) -> Response:
    """Show one account."""
    return answer_with(await engine_of(request).accounts.get(name))


@endpoint(
    "POST",
    "/v1/accounts/{name:str}/pause",
    Endpoint(tag=TAG, scope="manage", body=PauseRequest, body_needed=False, answer=AccountView),
)
async def pause_account(request: Request, name: FromPath[str]) -> Response:
    """Stop sending by an account; its messages wait."""
    body = decode_json(await read_json(request) or b"{}", _pause)
    return answer_with(await engine_of(request).accounts.pause(name, body.reason))


@endpoint(
    "POST", "/v1/accounts/{name:str}/resume", Endpoint(tag=TAG, scope="manage", answer=AccountView)
)
async def resume_account(request: Request, name: FromPath[str]) -> Response:
    """Send by an account again."""
    return answer_with(await engine_of(request).accounts.resume(name))


@endpoint(
    "POST",
    "/v1/accounts/{name:str}/verify",
    Endpoint(tag=TAG, scope="manage", answer=Verification, problems=("unsupported",)),
)
async def verify_account(request: Request, name: FromPath[str]) -> Response:
    """Ask the provider whether it knows the account's credentials; nothing is sent."""
    return answer_with(await engine_of(request).accounts.verify(name))


@endpoint(
    "GET",
    "/v1/accounts/{name:str}/balance",
    Endpoint(
        tag=TAG, scope="manage", answer=BalanceView, problems=("unsupported", *PROVIDER_PROBLEMS)
    ),
)
async def get_balance(request: Request, name: FromPath[str]) -> Response:
    """Ask the provider for the account's balance."""
    return answer_with(await engine_of(request).accounts.balance(name))


@endpoint(
    "GET",
    "/v1/accounts/{name:str}/operations",
    Endpoint(tag=TAG, scope="manage", answer=Listing[OperationView]),
)
async def list_operations(request: Request, name: FromPath[str]) -> Response:
    """List what else the provider offers, each with the schemas of its request and reply."""
    return answer_with(Listing(items=engine_of(request).operations.list(name)))


@endpoint(
    "POST",
    "/v1/accounts/{name:str}/operations/{operation:str}",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=dict[str, Any],
        body_needed=False,
        answer=dict[str, Any],
        problems=PROVIDER_PROBLEMS,
    ),
)
async def run_operation(
    request: Request, name: FromPath[str], operation: FromPath[str]
) -> Response:
    """Run one of the provider's operations, and answer with its reply.

    Each has a body and an answer of its own: `GET /v1/accounts/{name}/operations` gives their
    schemas. A long report is answered once the last of it has come.
    """
    operations = engine_of(request).operations
    kind = operations.find(name, operation).request
    body = decode_json(await read_json(request) or b"{}", _decoder_of(kind))
    return answer_with(await operations.run(name, operation, body))


@cache
def _decoder_of(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(kind)


HANDLERS = [
    list_accounts,
    get_account,
    pause_account,
    resume_account,
    verify_account,
    get_balance,
    list_operations,
    run_operation,
]
