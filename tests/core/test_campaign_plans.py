"""Which index each statement uses that walks campaigns and audiences while they grow."""

import pytest
import sqlalchemy as sa
from recado_core.engine.store import schema
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import campaigns, outbox, recipients
from recado_core.testing.clock import MONDAY_NOON

from .test_plans import Statements, indexes_in, plan_of, whole_tables_in

pytestmark = pytest.mark.whole

NOW = MONDAY_NOON
SIZE = 1500
"""Recipients of each of two campaigns, and single messages besides."""

STATEMENTS = {
    "active": (lambda c: campaigns.active(c, NOW), {"ix_campaigns_active"}),
    "count_lately_waiting": (
        lambda c: campaigns.count_lately_waiting(c, "c-0", 100),
        {"ix_messages_campaign"},
    ),
    "waiting": (lambda c: campaigns.waiting(c, "c-0", "", 1), {"ix_messages_campaign"}),
    "messages_of": (
        lambda c: campaigns.messages_of(c, "c-0", ["+5511900000001"]),
        {"ix_messages_address"},
    ),
    "messages_in": (
        lambda c: campaigns.messages_in(c, "c-0", "failed", "", 50),
        {"ix_messages_campaign"},
    ),
    "oldest_messages": (
        lambda c: campaigns.oldest_messages(c, "c-0", 5),
        {"ix_messages_campaign"},
    ),
    "known": (
        lambda c: recipients.known(c, "c-0", ["+5511900000001"]),
        {"uq_recipients_address"},
    ),
    "following": (lambda c: recipients.following(c, "c-0", 7, 100), {"pk_recipients"}),
    "at": (lambda c: recipients.at(c, "c-0", [1, 2, 3]), {"pk_recipients"}),
    "last_position": (lambda c: recipients.last_position(c, "c-0"), {"pk_recipients"}),
    "counts": (lambda c: recipients.counts(c, ["c-0"]), {"pk_audience_imports"}),
    "imported": (lambda c: recipients.imported(c, "c-0"), {"pk_audience_imports"}),
    "claim": (
        lambda c: outbox.claim(c, "main", "d", 100, NOW),
        {
            "ix_messages_claim",
            "ix_messages_address",
            "ix_campaigns_active",
            "pk_campaigns",
            "pk_messages",
        },
    ),
}


def message(index, campaign_id):
    return {
        "id": new_id(),
        "direction": "out",
        "channel": "sms",
        "account": "main",
        "address": f"+5511{900000000 + index}",
        "text": "oi",
        "category": "marketing",
        "priority": 3,
        "segments": 1,
        "encoding": "gsm7",
        "status": "queued" if index % 300 == 0 else "sent",
        "status_at": NOW,
        "created_at": NOW,
        "due_at": NOW,
        "campaign_id": campaign_id,
        "recipient": index if campaign_id else None,
    }


def recipient(index, audience_id):
    address = f"+5511{900000000 + index}"
    return {"audience_id": audience_id, "position": index, "line": index, "address": address}


def campaign(index):
    return {
        "id": f"c-{index}",
        "name": "sale",
        "status": "running" if index < 2 else "finished",  # those with recipients
        "request": {},
        "audience_id": f"c-{index}",
        "created_at": NOW,
    }


def imported(index):
    return {"audience_id": f"c-{index}", "digest": bytes(32), "started_at": NOW}


@pytest.fixture
async def database(database_url):
    opened = Database(database_url)
    ids = ("c-0", "c-1", None)
    messages = [message(index, each) for each in ids for index in range(SIZE)]
    people = [recipient(index, each) for each in ids[:2] for index in range(SIZE)]

    async def fill(connection):
        await connection.execute(sa.insert(schema.messages), messages)
        await connection.execute(sa.insert(schema.recipients), people)
        await connection.execute(sa.insert(schema.campaigns), list(map(campaign, range(SIZE))))
        imports = list(map(imported, range(SIZE)))
        await connection.execute(sa.insert(schema.audience_imports), imports)
        if not opened.sqlite:
            await connection.execute(sa.text("ANALYZE"))

    await opened.write(fill)
    yield opened
    await opened.close()


async def test_statements_read_no_more_of_a_campaign_than_they_need(database):
    plans = {}

    async def explain(connection):
        if not database.sqlite:  # as if the tables were large
            await connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for name, (run, _) in STATEMENTS.items():
            with Statements() as noted:
                await run(connection)
            plans[name] = [line for sent in noted.sent for line in await plan_of(connection, *sent)]

    await database.write(explain)
    for name, (_, wanted) in STATEMENTS.items():
        assert indexes_in(plans[name]) == wanted, (name, plans[name])
        whole = [line for line in whole_tables_in(plans[name]) if "anon_" not in line]
        assert whole == [], (name, whole)
