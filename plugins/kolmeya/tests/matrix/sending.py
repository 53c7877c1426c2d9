"""The scenes of messages on their way: lists, codes, lookups, statuses."""

from recado_core import Category, OutboundBatch, StatusUpdate
from recado_kolmeya.settings import PhoneStyle

from .scenes import BLACKLISTED, DUPLICATE, FAILS, INVALID, PLAIN, UNDISTURBED, magic, scene

# ---------------------------------------------------------------- sending

SORTED = {
    "plain": "accepted",
    "again": DUPLICATE,
    "another text": "accepted",
    "landline": "accepted",
    "maybe listed": "accepted",
    "maybe spared": "accepted",
    "invalid": INVALID,
    "invalid by number": "rejected as invalid: 403",
    "blacklisted": BLACKLISTED,
    "not to be disturbed": UNDISTURBED,
    "duplicate": DUPLICATE,
    "abroad": "rejected as address: Kolmeya reaches Brazilian numbers only",
}


@scene(
    usual={
        "outcomes": SORTED,
        "vendor's messages": ["another text", "landline", "maybe listed", "maybe spared", "plain"],
        "vendor's repeated": [],
    },
    unsent={"outcomes": dict.fromkeys(SORTED, FAILS), "vendor's messages": []},
)
async def sorting(stage):
    """Every list of the answer to ``store``."""
    batch = [
        stage.message("plain", PLAIN),
        stage.message("again", PLAIN),
        stage.message("another text", PLAIN, "Outra vez"),
        stage.message("landline", "+551130000001"),
        stage.message("maybe listed", "+5521900000003"),
        stage.message("maybe spared", "+5511900000009"),
        stage.message("invalid", magic(10)),
        stage.message("invalid by number", magic(14)),
        stage.message("blacklisted", magic(11)),
        stage.message("not to be disturbed", magic(12)),
        stage.message("duplicate", magic(13)),
        stage.message("abroad", "+12025550123"),
    ]
    outcomes = await stage.send("batch", batch)
    state = stage.world.state
    return {
        "outcomes": outcomes,
        "vendor's messages": stage.show_all(state.references),
        "vendor's repeated": stage.show_all(state.repeated),
    }


NATIONAL = {"plain": "accepted", "landline": "accepted", "blacklisted": BLACKLISTED}


@scene(
    usual={"outcomes": NATIONAL, "told": {"plain": "delivered 3", "landline": "delivered 3"}},
    unsent={"outcomes": dict.fromkeys(NATIONAL, FAILS), "told": {}},
)
async def national_phones(stage):
    """Phones without the country's code."""
    provider = stage.make_provider(phone_style=PhoneStyle.NATIONAL)
    batch = [
        stage.message("plain", PLAIN),
        stage.message("landline", "+551130000001"),
        stage.message("blacklisted", magic(11)),
    ]
    outcomes = await stage.send("batch", batch, provider)
    await stage.wait()
    return {"outcomes": outcomes, "told": _fates(stage, stage.received(StatusUpdate))}


CODES = {
    "code": "accepted",
    "not to be disturbed": "accepted",
    "blacklisted": BLACKLISTED,
    "invalid": INVALID,
    "refused there": "rejected as invalid",
}
LOCALLY = "rejected as content: Kolmeya takes no message of category otp with {} in its text"
FORBIDDEN = {
    "with a link": LOCALLY.format("a link"),
    "with 0800": LOCALLY.format("an 0800 number"),
}


@scene(
    usual={
        "outcomes": CODES | FORBIDDEN,
        "told": {"code": "delivered 3", "not to be disturbed": "delivered 3"},
    },
    unsent={"outcomes": dict.fromkeys(CODES, FAILS) | FORBIDDEN, "told": {}},
)
async def codes(stage):
    """One-time codes, by ``store-token``."""
    texts = {
        "code": ("+5511900000009", "1234 é o seu código"),
        "not to be disturbed": (magic(12), "1234 é o seu código"),
        "blacklisted": (magic(11), "1234 é o seu código"),
        "invalid": (magic(10), "1234 é o seu código"),
        "refused there": (PLAIN, "O código é 1234.Com validade"),  # the plugin sees no link in it
        "with a link": (PLAIN, "1234 em https://example.com/"),
        "with 0800": (PLAIN, "1234; ligue 0800 000 0001"),
    }
    outcomes = {}
    for label, (phone, text) in texts.items():
        message = stage.message(label, phone, text, category=Category.OTP)
        outcomes |= await stage.send(f"batch of {label}", [message])
    outcomes["refused there"], _, why = outcomes["refused there"].partition(": ")
    assert not why or why.endswith("A mensagem não pode conter links ou telefones 0800.")
    await stage.wait()
    return {"outcomes": outcomes, "told": _fates(stage, stage.received(StatusUpdate))}


@scene(
    usual={"whole": ["plain", "other"], "partly": ["plain too"], "untaken": False},
    unsent={"whole": False, "partly": False},
    refused={"whole": FAILS, "partly": FAILS, "untaken": FAILS},
)
async def lookups(stage):
    """Whether a batch was taken."""

    def show(found):
        labels = [stage.show(each.message_id) for each in found.results]
        refs = [stage.show(each.provider_ref) for each in found.results]
        assert refs == [f"kolmeya's {label}" for label in labels]
        assert all(each.outcome == "accepted" for each in found.results)
        return labels if found.found else False

    sent = {
        "whole": [stage.message("plain", PLAIN), stage.message("other", "+551130000001")],
        "partly": [stage.message("plain too", PLAIN, "Oi"), stage.message("invalid", magic(10))],
    }
    for label, messages in sent.items():
        await stage.send(label, messages)
    stage.make_batch("untaken", [])
    parts = {}
    for label, references in stage.references.items():
        for reference in references:  # of the attempts
            asked = OutboundBatch(reference=reference, messages=tuple(sent.get(label, ())))
            parts[label] = await stage.ask(stage.provider.lookup, asked, show=show)
            if parts[label]:
                break
    return parts


# ---------------------------------------------------------------- fates

FATES = {
    "delivered": (PLAIN, "delivered 3"),
    "undelivered": (magic(4), "undelivered 4"),
    "rejected": (magic(5), "rejected 5"),
    "expired": (magic(6), "expired 6"),
    "trying": (magic(20), "sent 1"),
    "sent": (magic(21), "sent 2"),
    "silent": (magic(40), "delivered 3"),
    "doubled": (magic(41), "delivered 3"),
    "unknown": (magic(43), "unknown 99"),
}
POLLED = {label: fate for label, (_, fate) in FATES.items()}
TOLD = {label: POLLED[label] for label in POLLED if label not in {"trying", "sent", "silent"}}


@scene(
    usual={"early": dict.fromkeys(FATES, "sent 1"), "polled": POLLED, "told": TOLD, "vain": {}},
    unsent={"early": {}, "polled": {}, "told": {}},
    refused={"early": FAILS, "polled": FAILS, "vain": FAILS},
)
async def fates(stage):
    """Every status, by webhook and by poll."""

    async def poll(label):
        found = {}
        for reference in stage.references[label]:  # of the attempts
            show = lambda updates: _fates(stage, updates)  # noqa: E731
            polled = await stage.ask(stage.provider.poll_statuses, reference, show=show)
            if isinstance(polled, str):
                return polled
            found |= polled
        return found

    await stage.send("batch", [stage.message(each, phone) for each, (phone, _) in FATES.items()])
    stage.make_batch("unsent", [])
    early = await poll("batch")
    await stage.wait()
    return {
        "early": early,
        "polled": await poll("batch"),
        "told": _fates(stage, stage.received(StatusUpdate)),
        "vain": await poll("unsent"),
    }


def _fates(stage, updates):
    """Return what is said of each message, by the label of the id that names it."""
    found = {}
    for each in updates:
        label = stage.show(each.message_id)
        assert stage.show(each.provider_ref) == (f"kolmeya's {label}" if label else "an id")
        found[label or "of a stranger"] = f"{each.status} {each.code}"
    return found
