"""The account: balance, cost centres, brokers, layouts, and the test of a webhook."""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from recado_kolmeya.simulator.answers import Answer, encode, json_answer
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.switches import Switches
from recado_kolmeya.simulator.world import World

BROKER = "Kolmeya"
APIS = [{"id": 47, "name": BROKER}]
LAYOUTS = [
    {
        "id": 301,
        "name": "Padrão",
        "items": [
            {"id": 901, "name": "Nome", "type": "name", "position": 2},
            {"id": 902, "name": "Vencimento", "type": "text", "position": 3},
        ],
    }
]
TEST_BODY = encode({"message": "Teste de webhook"})  # the vendor's own is not documented


def balance(world: World, _call: Call) -> Answer:
    """Tell the balance, a text in either form."""
    amount = world.state.balance.quantize(Decimal("0.01"), ROUND_HALF_UP)
    text = str(amount) if world.switches.balance_form == "decimal" else reais(amount)
    return json_answer({"balance": text})


def reais(amount: Decimal) -> str:
    """Write money as in Brazil, ``R$9.397,30``."""
    text = f"{abs(amount):,.2f}".translate(str.maketrans(",.", ".,"))
    return f"{'-' if amount < 0 else ''}R${text}"


@lru_cache(maxsize=8)  # every row of a report asks
def segment_names(segments: tuple[str, ...]) -> dict[int, str]:
    """Read the cost centres, as they are switched."""
    pairs = (each.partition(":") for each in segments)
    return {int(number): name for number, _, name in pairs}


def segment_of(switches: Switches, segment: int | None) -> tuple[int, str]:
    """Find the cost centre that is billed: the default one unless the one given is known."""
    names = segment_names(switches.segments)
    number = segment if segment in names else next(iter(names))
    return number, names[number]


def segments(world: World, _call: Call) -> Answer:
    """List the cost centres."""
    names = segment_names(world.switches.segments)
    return json_answer({"segments": [{"id": id_, "name": name} for id_, name in names.items()]})


def apis(_world: World, _call: Call) -> Answer:
    """List the brokers."""
    return json_answer(APIS)


def layouts(_world: World, _call: Call) -> Answer:
    """List the layouts of campaign files."""
    return json_answer(LAYOUTS)


async def try_webhook(world: World, call: Call) -> Answer:
    """Call an address and tell what it answered; 0 if it cannot be reached."""
    fields = call.fields()
    fields.required("webhook_url")
    url = fields.url("webhook_url")
    fields.check()
    status, _ = await world.webhooks.call(url or "", TEST_BODY)
    return json_answer({"code_returned": status})
