"""The same way stripped to its bones, as ../bare.py goes it: the limit."""

from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx
from recado_gateway.benchmark.clients import make_request, post_all
from recado_gateway.benchmark.processes import running
from recado_gateway.benchmark.runs import Figures, Plan, StandstillError, Watch, until
from recado_gateway.benchmark.stage import simulating, taken_by
from recado_gateway.benchmark.traffic import batches

BARE = Path(__file__).resolve().parents[1] / "bare.py"


async def run(plan: Plan, folder: Path) -> Figures:
    """Send messages through the bare gateway, on SQLite.

    Raises:
        StandstillError: Some did not reach the simulator once.
    """
    async with simulating(folder, plan.receipts) as simulator:
        words = (str(BARE), "--database=bare.db", f"--vendor={simulator.url}/api")
        async with (
            running("the bare gateway", folder, *words) as bare,
            httpx.AsyncClient(base_url=bare.url, trust_env=False) as http,
        ):

            async def finals() -> int:
                return int((await http.get("/delivered")).json()["delivered"])

            watch = Watch(bare, simulator)
            requests = batches(partial(make_request, bare.url), plan.messages)
            took = await post_all(bare.url, plan.clients, requests, HTTPStatus.ACCEPTED)
            accepted = watch.seconds
            await until(finals, plan.messages, bare)
            figures = watch.figures(plan.messages, took, accepted)
            if (count := await taken_by(simulator)) != plan.messages:
                raise StandstillError(f"of {plan.messages} messages the simulator got {count}")
    return figures
