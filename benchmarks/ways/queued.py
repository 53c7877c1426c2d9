"""Messages that wait for a paused account: how much memory the gateway has then, and as they go."""

from http import HTTPStatus
from pathlib import Path

from recado_gateway.benchmark.clients import post_all
from recado_gateway.benchmark.processes import Program, forget_peak, usage_of
from recado_gateway.benchmark.runs import Plan, Watch, cell, until
from recado_gateway.benchmark.stage import ACCOUNT, serving, simulating
from recado_gateway.benchmark.traffic import batches

from ways.output import line, say

HEADS = ("messages/s", "MB now", "MB peak", "seconds")


async def run(plan: Plan, folder: Path) -> None:
    """Let messages wait, then let them go; print a line for each."""
    say(line("", HEADS, HEADS))
    async with (
        simulating(folder, plan.receipts) as simulator,
        serving(folder, simulator.url, plan.database) as gateway,
    ):
        await gateway.order(f"/v1/accounts/{ACCOUNT}/pause")
        watch = Watch(gateway.program, simulator)
        requests = batches(gateway.post, plan.messages)
        await post_all(gateway.url, plan.clients, requests, HTTPStatus.ACCEPTED)
        tell("queued", gateway.program, plan.messages, watch.seconds)
        forget_peak(gateway.program.pid)
        watch = Watch(gateway.program, simulator)
        await gateway.order(f"/v1/accounts/{ACCOUNT}/resume")
        await until(gateway.finals, plan.messages, gateway.program)
        tell("sent and final", gateway.program, plan.messages, watch.seconds)


def tell(name: str, gateway: Program, messages: int, seconds: float) -> None:
    """Print what so many messages in so many seconds have left of memory."""
    usage = usage_of(gateway.pid)
    memory = (usage.memory / 1e6, usage.peak / 1e6) if usage else (None, None)
    cells = (f"{messages / seconds:,.0f}", *map(cell, memory), f"{seconds:.1f}")
    say(line(name, cells, HEADS))
