"""The scenes of what the vendor tells by itself: webhooks of every kind, and replies."""

import logging
from contextlib import contextmanager

from recado_core import BatchRejected, InboundMessage, StatusUpdate
from recado_kolmeya.simulator.inprocess import WEBHOOK_URL

from .scenes import FAILS, PLAIN, magic, scene
from .stage import START

REPLIES = [
    ["+5511999900030", "SIM", "asked", "kolmeya's asked", "+0 min"],
    ["+5555999900031", "SAIR", "told to stop", "kolmeya's told to stop", "+0 min"],
]
CAMPAIGN_REPLY = ["+5511900000001", "Quero", None, None, "+0 min"]


@scene(
    usual={
        "told replies": [CAMPAIGN_REPLY, *REPLIES],
        "told rejections": [["bad batch", "rejected"]],
        "told statuses": {
            "asked": "delivered 3",
            "told to stop": "delivered 3",
            "quiet": "delivered 3",
            "in a campaign": "delivered 3",
        },
        "told of campaigns": [
            "invalid_record",
            "rejected",
            "rejected_by_homologation",
            "shortener",
        ],
    },
    unsent={
        "told replies": [CAMPAIGN_REPLY],
        "told rejections": [],
        "told statuses": {"in a campaign": "delivered 3"},
    },
)
async def webhooks(stage):
    """Webhooks of every kind, those of campaigns too."""
    await stage.send("batch", _conversation(stage))
    await stage.send("bad batch", [stage.message("not homologated", magic(42))])
    job = await _start_campaign(stage)
    await stage.control("replies", job=job, phone=11900000001, text="Quero")
    await stage.control("accesses", job=job, phone=11900000001)
    for by_homologation in (True, False):
        rejected = await _start_campaign(stage)
        await stage.control("reject", job=rejected, by_homologation=by_homologation)
    await stage.wait()
    with _logged_kinds() as kinds:
        updates = stage.received(StatusUpdate)
    rejections = stage.received(BatchRejected)
    assert all("homologação" in each.text for each in rejections)
    return {
        "told replies": stage.show_all(map(_reply, stage.received(InboundMessage))),
        "told rejections": stage.show_all([each.batch_reference, each.code] for each in rejections),
        "told statuses": {
            stage.show(each.message_id) or "of a stranger": f"{each.status} {each.code}"
            for each in updates
        },
        "told of campaigns": sorted(kinds),
    }


@contextmanager
def _logged_kinds():
    """Give the kinds of campaign webhooks of which a line in the log is all that comes."""
    kinds = set()
    logger = logging.getLogger("recado_kolmeya.campaigns")
    handler = logging.Handler()
    handler.emit = lambda record: kinds.add(record.kind)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield kinds
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


@scene(
    usual={
        "polled": [CAMPAIGN_REPLY, *REPLIES],
        "polled twice": 0,
        "told": [CAMPAIGN_REPLY, *REPLIES],
        "not polled": [],
    },
    unsent={"polled": [CAMPAIGN_REPLY], "told": [CAMPAIGN_REPLY]},
    refused={"polled": FAILS, "polled twice": FAILS, "not polled": FAILS},
)
async def replies(stage):
    """Replies of both kinds by poll, page by page, under the names that webhooks give them."""

    async def poll():
        return [each async for page in stage.provider.poll_replies(START) for each in page]

    await stage.send("batch", _conversation(stage))
    job = await _start_campaign(stage)
    await stage.control("replies", job=job, phone=11900000001, text="Quero")
    await stage.wait()
    polled = await stage.ask(poll, show=lambda found: found)
    told = stage.received(InboundMessage)
    parts = {"told": stage.show_all(map(_reply, told))}
    if isinstance(polled, str):
        return parts | dict.fromkeys(("polled", "polled twice", "not polled"), polled)
    names = {each.provider_ref for each in polled}
    return parts | {
        "polled": stage.show_all(map(_reply, polled)),
        "polled twice": len(polled) - len(names),
        "not polled": sorted({each.provider_ref for each in told} - names),
    }


def _conversation(stage):
    return [
        stage.message("asked", magic(30)),
        stage.message("told to stop", magic(31, area=55)),
        stage.message("quiet", PLAIN, "Promoção"),
    ]


async def _start_campaign(stage):
    """Start a campaign that names a message of ours, as one does that was made from our data."""
    own = stage.message("in a campaign", "+5511900000001")
    messages = [
        {"phone": 11900000001, "message": "Oi", "custom_data": {"recado": own.id}},
        {"phone": 11999900010, "message": "Oi"},
    ]
    started = await stage.control("campaigns", messages=messages, webhook_url=WEBHOOK_URL)
    return started["id"]


def _reply(each):
    answered = [each.answers_message_id, each.answers_provider_ref]
    return [each.sender, each.text, *answered, each.received_at]


@scene(
    usual={"told in vain": 1, "told again": 0, "polled": ["delivered"]},
    unsent={"told in vain": 0, "polled": []},
    refused={"polled": FAILS},
)
async def gateway_away(stage):
    """A gateway that answers 503 for a second, and asks afterwards for what it has missed."""
    mailbox = stage.bench.mailbox
    mailbox.status = 503
    await stage.send("batch", [stage.message("plain", PLAIN)])
    await stage.bench.advance(1)
    missed = len(mailbox.deliveries)
    mailbox.status = 200
    await stage.wait()
    return {
        "told in vain": missed,
        "told again": len(mailbox.deliveries) - missed,
        "polled": await stage.ask(
            stage.provider.poll_statuses,
            stage.held_reference("batch"),
            show=lambda updates: [each.status.value for each in updates],
        ),
    }
