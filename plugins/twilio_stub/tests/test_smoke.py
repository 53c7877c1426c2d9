"""The real Twilio, where credentials are in the environment; test credentials cost nothing."""

import os

import httpx
import pytest
from recado_core import AccountContext, Outcome, Secret
from recado_core.testing import Clock, make_batch, make_message
from recado_twilio_stub.provider import TwilioProvider
from recado_twilio_stub.settings import Settings

NEEDED = [f"RECADO_SMOKE_TWILIO_{name}" for name in ("ACCOUNT_SID", "AUTH_TOKEN", "FROM", "TO")]
GIVEN = [os.environ.get(name) for name in NEEDED]

pytestmark = pytest.mark.skipif(not all(GIVEN), reason=f"{', '.join(NEEDED)} are not all set")


@pytest.fixture
async def send():
    sid, token, sender, _ = GIVEN
    settings = Settings(account_sid=sid, auth_token=Secret(token), sender=sender)
    async with httpx.AsyncClient(timeout=30) as http:
        context = AccountContext(account="smoke", settings=settings, http=http, now=Clock().now)

        async def send_one(to):
            batch = make_batch(1, lambda index: make_message(index, to=to))
            (result,) = await TwilioProvider(context).send(batch)
            return result

        yield send_one


async def test_message_is_taken(send):
    result = await send(GIVEN[3])
    assert result.outcome is Outcome.ACCEPTED
    assert result.provider_ref


async def test_invalid_number_is_rejected(send):
    result = await send("+15005550001")
    assert (result.outcome, result.code) == (Outcome.REJECTED, "21211")
