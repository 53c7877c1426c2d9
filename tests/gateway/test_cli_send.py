"""What ``recado send --wait`` says of a message that waits longer."""

import anyio
import pytest
from recado_gateway.cli import main
from recado_gateway.cli.send import say_where

ADDRESS = "+5511900000001"
SEVERAL_SECONDS = 20

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.mark.usefixtures("gateway")  # whose file is found in the workplace
def test_send_that_waits_for_a_paused_account_says_why_it_is_paused(capsys):
    assert main(["accounts", "pause", "main", "--reason", "invoice due"]) == 0
    arguments = ["send", "--to", ADDRESS, "--text", "Oi", "--account", "main", "--wait"]
    assert main([*arguments, "--timeout", "0.3"]) == 1
    assert capsys.readouterr().err == (
        "recado: not final after 0.3 s but queued; account main is paused: invoice due\n"
    )


async def test_message_whose_provider_fails_is_told_with_the_last_attempt_s_error(working_client):
    sent = await working_client.post("/v1/messages", json={"to": ADDRESS, "text": "busy"})
    identifier, get = sent.json()["id"], working_client.engine.messages.get
    with anyio.fail_after(SEVERAL_SECONDS):
        while True:  # the worker tells nobody when it has tried
            message = await get(identifier)
            if any(tried.text for tried in message.attempts):
                break
            await anyio.sleep(0.02)
    said = await say_where(working_client.engine, message)
    assert said == f"{message.status}; the last attempt: try later"
