"""What the provider sends, against the vendor's own description, where that lies beside us."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from recado_core import Category, Suppressed
from recado_kolmeya.settings import PhoneStyle

from .bench import batch, message, open_gateway, plain

DESCRIPTION = Path(__file__).parents[4] / "shared" / "reference" / "kolmeya-openapi.json"

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason="the vendor's description is not beside the repository"
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def call_everything(provider, now):
    sent = plain(3)
    await provider.send(sent)
    await provider.send(batch(message("+5511900000001", category=Category.OTP)))
    await provider.lookup(sent)
    await provider.poll_statuses(sent.reference)
    [page async for page in provider.poll_replies(now - timedelta(days=30))]
    entries = [
        Suppressed(address="+5511900000001"),
        Suppressed(address="+551130000001", document="11144477735"),
    ]
    await provider.suppress(entries)
    await provider.unsuppress(entries)
    await provider.verify_credentials()


@pytest.mark.parametrize("style", PhoneStyle)
async def test_every_call_is_as_described(style):
    # The description demands sms_api_id, which its own text and live calls do not.
    settings = {"phone_style": style, "sms_api_id": 47, "segment": 109}
    requests = []

    async def note(request):
        requests.append((request, request.content))

    async with open_gateway(settings) as gateway:
        gateway.http.event_hooks = {"request": [note]}
        await call_everything(gateway.provider, gateway.now())
    description = json.loads(DESCRIPTION.read_text())
    paths = [request.url.path.removeprefix("/api") for request, _ in requests]
    assert paths == [
        *("/v1/sms/store", "/v1/sms/store-token", "/v1/sms/status/request"),
        *("/v1/sms/status/request", "/v1/sms/replys", "/v1/sms/replys-web"),
        *("/v1/blacklist/store", "/v1/blacklist/destroy", "/v1/sms/balance"),
    ]
    for path, (request, content) in zip(paths, requests, strict=True):
        assert request.method == "POST"
        described = description["paths"][path]["post"]
        if "requestBody" in described:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            components = {"components": description["components"]}
            jsonschema.validate(json.loads(content), schema | components)
            known = fields_of(schema, description)
            assert json.loads(content).keys() <= known
        else:
            assert content == b""


def fields_of(schema, description):
    """Return the fields that a described body has."""
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema["properties"].keys()
