"""Which index each of the statements uses that run often or over tables that grow."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from recado_core import Category
from recado_core.engine.store.database import Database
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import deliveries as deliveries_table
from recado_core.engine.store.schema import dispatches as dispatches_table
from recado_core.engine.store.schema import events as events_table
from recado_core.engine.store.schema import messages as messages_table
from recado_core.engine.store.statements import (
    consents,
    conversations,
    deliveries,
    dispatches,
    do_not_disturb,
    due,
    events,
    inbox,
    keys,
    links,
    messages,
    outbox,
    pushes,
    suppressions,
)
from recado_core.engine.store.steps import asked
from recado_core.testing.clock import MONDAY_NOON

pytestmark = pytest.mark.whole

NOW = MONDAY_NOON
HISTORY = 1500
"""Messages that are settled, beside a few of each kind that waits."""

TURN = dispatches.Turn(node_id="n", now=NOW, hold_until=NOW, limit=20, without=["other"])

STATEMENTS = {
    "claim": (
        lambda c: outbox.claim(c, "main", "d", 100, NOW),
        {"ix_messages_claim", "ix_messages_address", "ix_campaigns_active", "pk_campaigns"},
    ),
    "claim of a category": (
        lambda c: outbox.claim(c, "main", "d", 1, NOW, only=Category.OTP),
        {
            "ix_messages_claim_category",
            "ix_messages_address",
            "ix_campaigns_active",
            "pk_campaigns",
        },
    ),
    "claim without a category": (
        lambda c: outbox.claim(c, "main", "d", 100, NOW, without={Category.OTP}),
        {"ix_messages_claim", "ix_messages_address", "ix_campaigns_active", "pk_campaigns"},
    ),
    "count_queued": (outbox.count_queued, {"ix_messages_claim"}),
    "fallbacks_of_queued": (
        lambda c: outbox.fallbacks_of_queued(c, "main"),
        {"ix_messages_claim"},
    ),
    "accounts_with_queued": (outbox.accounts_with_queued, {"ix_messages_claim"}),
    "scheduled_due": (
        lambda c: outbox.scheduled_due(c, NOW, 100),
        {"ix_messages_scheduled"},
    ),
    "look": (
        lambda c: due.look(c, "n", NOW),
        {
            "ix_messages_scheduled",
            "ix_messages_expiring",
            "ix_messages_claim",
            "ix_suppressions_expiring",
            "ix_schedules_due",
            "ix_campaigns_active",
            "ix_dispatches_doubt",
            "ix_dispatches_poll",
            "ix_dispatches_open",
            "ix_inbox_pending",
            "ix_deliveries_due",
            "pk_stats_changes",
        },
    ),
    "expired": (lambda c: outbox.expired(c, NOW, 100), {"ix_messages_expiring"}),
    "lock_reported": (
        lambda c: messages.lock_reported(c, "main", ["m"], ["ref-1", "ref-2"]),
        {"pk_messages", "ix_messages_in_flight"},
    ),
    "of_dispatch": (lambda c: outbox.of_dispatch(c, "d"), {"ix_messages_dispatch"}),
    "lock_dispatch": (lambda c: messages.lock_dispatch(c, "d"), {"ix_messages_dispatch"}),
    "any_unsettled": (lambda c: messages.any_unsettled(c, "d"), {"ix_messages_dispatch"}),
    "known_inbound": (
        lambda c: messages.known_inbound(c, "main", ["ref-1", "ref-2"]),
        {"uq_messages_inbound"},
    ),
    "outbound_by_ref": (
        lambda c: messages.outbound_by_ref(c, "main", "+5511900000001", "ref-1"),
        {"ix_messages_address"},
    ),
    "last_outbound": (
        lambda c: messages.last_outbound(c, "main", "+5511900000001", NOW),
        {"ix_messages_address"},
    ),
    "page": (
        lambda c: messages.page(c, {}, None, None, new_id(), 50),
        {"pk_messages"},
    ),
    "page of a batch": (
        lambda c: messages.page(c, {"batch_id": "b"}, None, None, None, 50),
        {"ix_messages_batch"},
    ),
    "page of a reference": (
        lambda c: messages.page(c, {"reference": "r"}, None, None, None, 50),
        {"ix_messages_reference"},
    ),
    "page of an address": (
        lambda c: messages.page(c, {"address": "a"}, None, None, new_id(), 50),
        {"ix_messages_address"},
    ),
    "doubtful": (
        lambda c: dispatches.doubtful(c, TURN),
        {"ix_dispatches_doubt"},
    ),
    "to_poll": (lambda c: dispatches.to_poll(c, TURN), {"ix_dispatches_poll"}),
    "doubt_dropped": (
        lambda c: dispatches.doubt_dropped(c, "n", ["d"], NOW),
        {"ix_dispatches_open"},
    ),
    "doubt_abandoned": (
        lambda c: dispatches.doubt_abandoned(c, NOW, NOW),
        {"ix_dispatches_doubt", "ix_dispatches_poll", "ix_dispatches_open"},
    ),
    "sent_since": (
        lambda c: dispatches.sent_since(c, "main", NOW),
        {"ix_dispatches_account"},
    ),
    "of_message": (lambda c: events.of_message(c, "m"), {"ix_events_message"}),
    "any_due of pushes": (lambda c: pushes.any_due(c, "main", NOW, NOW), {"ix_pushes_due"}),
    "take of pushes": (lambda c: pushes.take(c, "main", NOW, NOW, 100), {"ix_pushes_due"}),
    "awaiting_answer": (
        lambda c: pushes.awaiting_answer(c, ["+5511900000001"], NOW),
        {"ix_messages_address"},
    ),
    "concerning addresses": (
        lambda c: suppressions.concerning(c, ["+5511900000001"]),
        {"uq_suppressions"},
    ),
    "concerning": (
        lambda c: suppressions.concerning(c, ["+5511900000001"], ["hash"]),
        {"uq_suppressions"},
    ),
    "listed": (
        lambda c: suppressions.listed(c, ["+5511900000001"], ["manual"], ["sms"], NOW),
        {"uq_suppressions"},
    ),
    "expired suppressions": (
        lambda c: suppressions.expired(c, NOW, 100),
        {"ix_suppressions_expiring"},
    ),
    "protected": (
        lambda c: do_not_disturb.protected(c, ["+5511900000001"]),
        {"pk_do_not_disturb"},
    ),
    "marketing_since": (
        lambda c: messages.marketing_since(c, ["+5511900000001"], NOW),
        {"ix_messages_marketing"},
    ),
    "confirmed_since": (
        lambda c: consents.confirmed_since(c, ["+5511900000001"], NOW),
        {"ix_consents_address", "pk_messages"},
    ),
    "sources_since": (
        lambda c: consents.sources_since(c, ["+5511900000001"], "sms", "opt_in", NOW),
        {"ix_consents_address"},
    ),
    "known conversations": (
        lambda c: conversations.known(c, ["+5511900000001"]),
        {"uq_conversations"},
    ),
    "page of conversations": (
        lambda c: conversations.page(c, {}, (NOW, new_id()), 50),
        {"ix_conversations_activity"},
    ),
    "due deliveries": (
        lambda c: deliveries.due(c, "desk", NOW, 8),
        {"ix_deliveries_due", "ix_deliveries_thread"},
    ),
    "take of deliveries": (
        lambda c: deliveries.take(c, "desk", ["d"], NOW, NOW),
        {"pk_deliveries", "ix_deliveries_thread"},
    ),
    "told": (
        lambda c: deliveries.told(c, ["e"]),
        {"pk_events", "uq_conversations"},
    ),
    "sinks_with_pending": (deliveries.sinks_with_pending, {"ix_deliveries_due"}),
    "state_of a sink": (
        lambda c: deliveries.state_of(c, "sink-7"),
        {"ix_deliveries_due", "ix_deliveries_dead", "ix_deliveries_delivered"},
    ),
    "page of dead deliveries": (
        lambda c: deliveries.page(c, "desk", "dead", new_id(), 50),
        {"ix_deliveries_dead", "pk_events"},
    ),
    "replay": (
        lambda c: deliveries.replay(c, "desk", None, NOW),
        {"ix_deliveries_dead", "ix_deliveries_thread", "pk_deliveries"},
    ),
    "page of links": (
        lambda c: links.page(c, (NOW, "code"), 50),
        {"ix_links_created"},
    ),
    "pending": (lambda c: inbox.pending(c, NOW, 100), {"ix_inbox_pending"}),
    "lock_pending": (lambda c: inbox.lock_pending(c, NOW, 100), {"ix_inbox_pending"}),
    "find_reserved": (
        lambda c: keys.find_reserved(c, [("o", "k1"), ("o", "k2")]),
        {"pk_idempotency_keys"},
    ),
    "forget_reserved": (
        lambda c: keys.forget_reserved(c, NOW),
        {"ix_idempotency_keys_age"},
    ),
}
BY_ID = {"pk_messages", "pk_dispatches", "pk_nodes"}


class Statements:
    """Notes what is sent to the database, with its parameters."""

    def __enter__(self):
        self.sent = []
        sa.event.listen(sa.Engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_):
        sa.event.remove(sa.Engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, parameters, _context, many):  # SQLAlchemy's
        self.sent.append((statement, parameters[0] if many else parameters))


def message_rows():
    common = {
        "direction": "out",
        "channel": "sms",
        "account": "main",
        "sender_id": None,
        "text": "oi",
        "category": "transactional",
        "priority": 5,
        "segments": 1,
        "encoding": "gsm7",
        "status_at": NOW,
        "created_at": NOW,
        "due_at": NOW,
        "reference": None,
        "batch_id": None,
        "expires_at": None,
        "fallbacks": None,
    }
    waiting = ["queued", "scheduled", "sending", "sent", "unknown"] * 4
    for index, status in enumerate(["delivered"] * HISTORY + waiting):
        yield common | {
            "id": new_id(),
            "address": f"+5511{900000000 + index}",
            "status": status,
            "provider_ref": f"ref-{index}",
            "dispatch_id": f"d-{index // 10}",
        }


def dispatch_rows():
    for index in range(HISTORY // 5):
        state = {0: "open", 1: "doubt"}.get(index, "done")
        yield {
            "id": f"d-{index}",
            "account": f"a{index % 50}",
            "node_id": "n" if state == "open" else "",
            "state": state,
            "size": 10,
            "started_at": NOW + timedelta(seconds=index),
            "due_at": NOW if state == "doubt" else None,
            "poll_at": NOW if index == 2 else None,
        }


def event_rows():
    for index in range(HISTORY):
        yield {"id": new_id(), "type": "message.sent", "time": NOW, "message_id": f"m-{index}"}


def delivery_rows():
    for index in range(HISTORY):
        waits = index % 2 == 0
        yield {
            "id": new_id(),
            "sink": "sink-7" if index % 62 < 2 else "desk",
            "event_id": new_id(),
            "thread": f"main/sms/+5511{900000000 + index}",
            "state": "pending" if waits else "dead" if index % 50 == 3 else "delivered",
            "created_at": NOW,
            "due_at": NOW,
            "settled_at": None if waits else NOW,
        }


@pytest.fixture
async def database(database_url):
    """A database with a history, whose planner knows its tables."""
    opened = Database(database_url)
    await opened.prepare()

    async def fill(connection):
        await connection.execute(sa.insert(messages_table), list(message_rows()))
        await connection.execute(sa.insert(dispatches_table), list(dispatch_rows()))
        await connection.execute(sa.insert(events_table), list(event_rows()))
        await connection.execute(sa.insert(deliveries_table), list(delivery_rows()))
        if not opened.sqlite:  # SQLite's planner has no numbers to go by: nobody tells it any
            await connection.execute(sa.text("ANALYZE"))

    await opened.write(fill)
    yield opened
    await opened.close()


async def plan_of(connection, statement, parameters):
    """Return the lines of a plan."""
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    rows = await connection.exec_driver_sql(explain + statement, parameters)
    return [str(row[-1]) for row in rows]


def indexes_in(plan):
    text = re.sub(r"sqlite_autoindex_(\w+)_1", r"pk_\1", "\n".join(plan))
    text = re.sub(r"SEARCH (\w+) USING PRIMARY KEY", r"pk_\1", text)
    text = re.sub(r"sqlite_autoindex_(\w+)_2", r"uq_\1", text)
    text = re.sub(r"\buq_(suppressions|conversations)_\w+", r"uq_\1", text)
    return set(re.findall(r"\b(?:ix|uq|pk)_\w+", text))


def whole_tables_in(plan):
    some = r"Seq Scan|SCAN (?!CONSTANT ROW|rows)(?!.*(?:USING|VIRTUAL))"
    small = r"\b(?:do_not_disturb_lists|nodes)\b"  # of two or three rows
    return [line for line in plan if re.search(some, line) and not re.search(small, line)]


async def test_statements_that_run_often_use_the_index_made_for_them(database):
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
        # What a look-up finds may then be written by its id.
        assert indexes_in(plans[name]) - BY_ID == wanted - BY_ID, (name, plans[name])
        assert wanted <= indexes_in(plans[name])
        assert whole_tables_in(plans[name]) == [], name
    # The most urgent come first without a look at the rest of the queue.
    assert not [line for line in plans["claim"] if "Sort" in line or "ORDER BY" in line]


STEPS = {
    "opened": (
        conversations.opened("main", "sms", {"+5511900000001": "c"}, NOW),
        set(),  # what is there is found out by the key that it would break
    ),
    "told_of_opened": (
        events.told_of_opened("conversation.opened", NOW),
        set(),  # they are the last of the table
    ),
    "inserted_if_told": (
        deliveries.inserted_if_told(
            {"sink": "desk", "background": False, "now": NOW, "ending": ""}, "main/sms/", {"d": "e"}
        ),
        {"pk_events"},
    ),
}


CLAIMED = messages.as_claimed("d")
WRITES = {
    "one by one": messages.written("sqlite", [{"id": "m", "status": "sent"}], CLAIMED),
    "alike": [messages.written_alike("sqlite", {"status": "sent"}, ["m", "n"], [], CLAIMED)],
    "alike but for the reference": [
        messages.written_alike("sqlite", {"status": "sent"}, ["m", "n"], ["r", "s"], CLAIMED)
    ],
}


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
@pytest.mark.parametrize("name", WRITES)
async def test_what_is_expected_of_messages_leads_to_no_other_index_than_the_ids(database, name):
    ((statement, values),) = asked(WRITES[name])
    async with database.read() as connection:
        plan = await plan_of(
            connection, statement, values[0] if isinstance(values, list) else values
        )
    assert indexes_in(plan) == {"pk_messages"}


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_what_is_sent_is_found_by_nothing_but_the_ids(database):
    async with database.read() as connection:
        with Statements() as noted:
            await messages.of_sent(connection, "main", ["m", "n"])
        plan = [line for sent in noted.sent for line in await plan_of(connection, *sent)]
    assert indexes_in(plan) == {"pk_messages"}
    assert whole_tables_in(plan) == []


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
@pytest.mark.parametrize("name", STEPS)
async def test_steps_that_look_before_they_insert_use_the_index_made_for_it(database, name):
    (statement, values), wanted = STEPS[name]
    async with database.read() as connection:
        plan = await plan_of(connection, statement, values)
    assert indexes_in(plan) == wanted
    assert whole_tables_in(plan) == []
