"""The scenes of the account: its balance, its blacklist, and what stops it."""

from msgspec import Struct
from recado_core import AccountError, Secret, Suppressed
from recado_core.testing import make_id

from .scenes import BLACKLISTED, FAILS, PLAIN, scene
from .stage import START


@scene(
    usual={
        "before": "9397.30",
        "verified": "accepted",
        "after": "9389.30",
        "outcomes": ["accepted"],
    },
    unsent={"after": "9397.30", "outcomes": [FAILS]},
    refused={"before": FAILS, "verified": FAILS, "after": FAILS},
)
async def money(stage):
    """The balance, before and after a hundred messages, and the line for the operator."""
    before = await stage.ask(stage.provider.balance)
    batch = [stage.message(f"n{number}", f"+55219{number:08d}") for number in range(100)]
    outcomes = await stage.send("batch", batch)
    after = await stage.ask(stage.provider.balance)
    told = await stage.ask(stage.provider.verify_credentials)
    if told == f"Kolmeya accepts the token; balance R$ {after}":
        told = "accepted"
    return {
        "before": before,
        "outcomes": sorted(set(outcomes.values())),
        "after": after,
        "verified": told,
    }


CPF = "11144477735"
FIRST, THIRD = {"phone": "21900000101"}, {"phone": "21900000103"}
SECOND = {"phone": "21900000102", "document": CPF}


@scene(
    usual={
        "suppress": None,
        "blacklist-store": {"phones": 1},
        "vendor's list": [FIRST, THIRD, SECOND],
        "while listed": {"first": BLACKLISTED, "second": "accepted"},
        "unsuppress": None,
        "blacklist-destroy": {"phones": 1},
        "vendor's list at last": [SECOND],
        "then": {"first again": "accepted"},
    },
    unsent={
        "while listed": {"first": FAILS, "second": FAILS},
        "then": {"first again": FAILS},
    },
    refused={
        "suppress": FAILS,
        "blacklist-store": FAILS,
        "vendor's list": [],
        "unsuppress": FAILS,
        "blacklist-destroy": FAILS,
        "vendor's list at last": [],
    },
)
async def blacklist(stage):
    """Phones put on the vendor's list and taken off it, by the provider and by operations."""
    first = Suppressed(address="+5521900000101")
    second = Suppressed(address="+5521900000102", document=CPF)
    third = [{"phone": "+5521900000103"}]
    provider = stage.provider
    return {
        "suppress": await stage.ask(provider.suppress, [first, second]),
        "blacklist-store": await stage.run("blacklist-store", phones=third),
        "vendor's list": await stage.blacklist(),
        "while listed": await stage.send(
            "batch",
            [stage.message("first", first.address), stage.message("second", second.address)],
        ),
        "unsuppress": await stage.ask(provider.unsuppress, [first]),
        "blacklist-destroy": await stage.run("blacklist-destroy", phones=third),
        "vendor's list at last": await stage.blacklist(),
        "then": await stage.send("batch", [stage.message("first again", first.address, "Oi")]),
    }


UNAUTHENTICATED = "AccountError 401"
CALLS = ("send", "lookup", "poll", "replies", "balance", "verify", "suppress", "operation")


@scene(
    usual={**dict.fromkeys(CALLS, UNAUTHENTICATED), "said": "HTTP 401: Unauthenticated."},
    refused=dict.fromkeys((*CALLS, "said"), FAILS),
)
async def wrong_token(stage):
    """A token that has been replaced: a person has to act, and nothing else goes on."""
    provider = stage.make_provider(token=Secret("another-token"))

    async def read_replies():
        return [each async for page in provider.poll_replies(START) for each in page]

    async def hear():
        try:
            await provider.balance()
        except AccountError as error:
            if error.code != "401":
                raise
            return error.text

    messages = [stage.message("plain", PLAIN)]
    sent = await stage.send("batch", messages, provider)
    return {
        "send": sent["plain"],
        "lookup": await stage.ask(
            provider.lookup, stage.make_batch("x", messages), show=lambda found: found.found
        ),
        "poll": await stage.ask(provider.poll_statuses, make_id()),
        "replies": await stage.ask(read_replies),
        "balance": await stage.ask(provider.balance),
        "verify": await stage.ask(provider.verify_credentials),
        "suppress": await stage.ask(provider.suppress, [Suppressed(address=PLAIN)]),
        "operation": await stage.run("segments", provider=provider),
        "said": await stage.ask(hear),
    }


class _Phoneless(Struct):
    messages: list[dict[str, str]]


@scene(usual={"failure": "TransientSendError 500"}, refused={"failure": FAILS})
async def phoneless(stage):
    """A message without a phone, which only a plugin gone wrong would send."""
    connection = stage.provider.connection

    async def post():
        body = _Phoneless([{"message": "Olá"}])
        return connection.read(await connection.ask("sms/store", body), dict)

    return {"failure": await stage.ask(post)}
