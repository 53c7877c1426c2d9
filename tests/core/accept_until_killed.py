"""A process that accepts messages, prints the id of each once it is answered, and never stops."""

import asyncio
import json
import sys

import msgspec
from recado_core import Capabilities, ProviderType
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import AccountSettings, EngineSettings, RouteSettings


class NoSettings(msgspec.Struct):
    """The vendor has none."""


async def accept(engine):
    """Accept one message after the other."""
    while True:
        answer = await engine.accept.message(Draft(to="+5511900000001", text="oi"))
        print(json.loads(answer.body)["id"], flush=True)  # noqa: T201  # the test reads it


async def main(database):
    """Accept with several clients at once."""
    plugins = load_plugins([])
    plugins.provider_types["vendor"] = ProviderType(
        id="vendor",
        channels=frozenset({"sms"}),
        settings=NoSettings,
        capabilities=Capabilities(),
        create=lambda _: None,
    )
    settings = EngineSettings(
        database=database,
        accounts={"main": AccountSettings(provider="vendor")},
        routes=[RouteSettings(accounts=["main"])],
    )
    engine = Engine(settings, plugins)
    await engine.open()
    await asyncio.gather(*(accept(engine) for _ in range(8)))


asyncio.run(main(sys.argv[1]))
