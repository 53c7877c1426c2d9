"""The tables of the store; ``migrations`` makes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 in UTC: the same in every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  # as declared
        """Turn a datetime into what is stored."""
        return microseconds(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002  # as declared
        """Return what turns what is stored into a datetime, without a call between."""
        return _read_instant


def encode_json(value: object) -> str:
    """Return a value as a column of JSON holds it."""
    return msgspec.json.encode(value).decode()


def microseconds(at: datetime | None) -> int | None:
    """Return a time as it is stored."""
    return None if at is None else (at - EPOCH) // MICROSECOND


@lru_cache(maxsize=4096)  # the rows of a batch have few different ones
def _read_instant(stored: int | None) -> datetime | None:
    return None if stored is None else EPOCH + timedelta(microseconds=stored)


metadata = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

Id = sa.String(36)
Json = sa.JSON(none_as_null=True)


def partial(condition: str) -> dict[str, Any]:
    """Return the arguments that make an index partial in both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


# PostgreSQL writes a row that changes to a new place, and each index an entry beside the old one:
# in pages that were filled further, there is no room for those of a message's way.
ROOMY: dict[str, Any] = {"postgresql_with": {"fillfactor": 50}}


# Not IN, of which SQLite makes a table of its own for each row that is written.
IN_FLIGHT = "(status = 'sending' OR status = 'sent' OR status = 'unknown')"

# The outbox and the history of all messages, MT and MO. ``address`` is the person's; ``fallbacks``
# are the accounts that the route names after this one; ``due_at`` is when it may next be claimed.
# ``unchecked`` is an MT that goes past the checks: it tells a person that the opt-out is done.
# ``origin`` is the sink that an agent's MT comes from, or ``api``. ``template`` is the provider's
# own template, with its variables; ``cost`` is in millionths of the account's currency, empty until
# a provider has taken the message; ``recipient`` is the position in the campaign's audience.
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("direction", sa.String(3), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("sender_id", sa.String(320)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("media", Json),
    sa.Column("category", sa.String(16), nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("reference", sa.String(255)),
    sa.Column("metadata", Json),
    sa.Column("segments", sa.SmallInteger, nullable=False),
    sa.Column("encoding", sa.String(8), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("status_at", Instant, nullable=False),
    sa.Column("code", sa.String(64)),
    sa.Column("status_text", sa.Text),
    sa.Column("provider_ref", sa.String(255)),
    sa.Column("dispatch_id", Id),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("fallbacks", Json),
    sa.Column("batch_id", Id),
    sa.Column("campaign_id", Id),
    sa.Column("resend_of", Id),
    sa.Column("answers_id", Id),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("scheduled_at", Instant),
    sa.Column("expires_at", Instant),
    sa.Column("document_hash", sa.String(64)),
    sa.Column("unchecked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("origin", sa.String(64)),
    sa.Column("template", Json),
    sa.Column("cost_centre", sa.String(64)),
    sa.Column("cost", sa.BigInteger),
    sa.Column("recipient", sa.Integer),
    sa.Index(
        "ix_messages_claim",
        "account",
        sa.text("priority DESC"),
        "due_at",
        "id",
        **partial("status = 'queued'"),
    ),
    sa.Index(
        "ix_messages_claim_category",
        "account",
        "category",
        sa.text("priority DESC"),
        "due_at",
        "id",
        **partial("status = 'queued' AND category = 'otp'"),
    ),
    sa.Index("ix_messages_scheduled", "due_at", **partial("status = 'scheduled'")),
    sa.Index(
        "ix_messages_expiring",
        "expires_at",
        **partial("expires_at IS NOT NULL AND status IN ('scheduled', 'queued')"),
    ),
    # Written once on a message's way, as its condition leaves out the status.
    sa.Index("ix_messages_dispatch", "dispatch_id", **partial("dispatch_id IS NOT NULL"), **ROOMY),
    sa.Index(
        "ix_messages_in_flight",
        "account",
        "provider_ref",
        **partial(f"provider_ref IS NOT NULL AND {IN_FLIGHT}"),
    ),
    sa.Index(
        "uq_messages_inbound",
        "account",
        "provider_ref",
        unique=True,
        **partial("direction = 'in'"),
    ),
    sa.Index("ix_messages_address", "address", "id", **ROOMY),
    sa.Index(
        "ix_messages_marketing",
        "address",
        "due_at",
        **partial("category = 'marketing' AND direction = 'out'"),
    ),
    sa.Index("ix_messages_batch", "batch_id", "id", **partial("batch_id IS NOT NULL"), **ROOMY),
    sa.Index("ix_messages_campaign", "campaign_id", "id", **partial("campaign_id IS NOT NULL")),
    sa.Index("ix_messages_reference", "reference", "id", **partial("reference IS NOT NULL")),
)
_room_for_ids = sa.DDL("ALTER INDEX pk_messages SET (fillfactor = 50)")  # type: ignore[no-untyped-call]  # the library's
sa.event.listen(messages, "after_create", _room_for_ids.execute_if(dialect="postgresql"))

# One call of a provider; its id is the batch reference. ``state`` is open (the call is being made,
# by ``node_id``), doubt (nobody knows how it ended, since ``doubt_at``; ask at ``due_at``) or done.
# ``poll_at`` is when the provider is next asked for the DLRs that no webhook brought. ``node_id``
# is the node at work on it, calling or asking, and empty while none is.
dispatches = sa.Table(
    "dispatches",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("node_id", Id, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", sa.String(16)),
    sa.Column("code", sa.String(64)),
    sa.Column("text", sa.Text),
    sa.Column("doubt_at", Instant),
    sa.Column("due_at", Instant),
    sa.Column("lookups", sa.Integer, nullable=False, server_default="0"),
    sa.Column("poll_at", Instant),
    sa.Column("polls", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_dispatches_open", "node_id", **partial("state = 'open'")),
    sa.Index("ix_dispatches_doubt", "due_at", **partial("state = 'doubt'")),
    sa.Index("ix_dispatches_poll", "poll_at", **partial("poll_at IS NOT NULL")),
    sa.Index("ix_dispatches_account", "account", "started_at"),
)

# The event log: what happened, in the order of the ids.
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.Column("message_id", Id),
    sa.Column("account", sa.String(64)),
    sa.Column("dispatch_id", Id),
    sa.Column("from_status", sa.String(16)),
    sa.Column("to_status", sa.String(16)),
    sa.Column("code", sa.String(64)),
    sa.Column("text", sa.Text),
    sa.Column("data", Json),
    # Without the id: a message's few events are put in order when they are read.
    sa.Index("ix_events_message", "message_id", **partial("message_id IS NOT NULL")),
)

# Webhooks as they came: stored before they are processed. ``state`` is pending, done, or failed.
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("method", sa.String(8), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("headers", Json, nullable=False),
    sa.Column("query", Json, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("account", "digest"),
    sa.Index("ix_inbox_pending", "due_at", **partial("state = 'pending'")),
)

# ``replies_until`` is the time up to which MOs have been asked for; the ``..._due_at`` are when one
# of the nodes asks next. ``balance`` is a decimal number as text, in the account's currency.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("webhook_token", sa.String(64), nullable=False),
    sa.Column("paused_at", Instant),
    sa.Column("reason", sa.Text),
    sa.Column("replies_until", Instant, nullable=False),
    sa.Column("replies_due_at", Instant, nullable=False),
    sa.Column("balance", sa.String(64)),
    sa.Column("balance_at", Instant),
    sa.Column("balance_low", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("balance_due_at", Instant, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("revoked_at", Instant),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_idempotency_keys_age", "created_at"),
)

# The suppression list. An empty text means any: any address of the person with this document, any
# document at this address, any channel, any category.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("document_hash", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("category", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("source", sa.String(120), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.UniqueConstraint("address", "document_hash", "channel", "category", "reason"),
    sa.Index("ix_suppressions_expiring", "expires_at", **partial("expires_at IS NOT NULL")),
)

# What people have consented to, and withdrawn: a history, to which is only added. ``message_id`` is
# the MO that said so.
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("act", sa.String(8), nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.Column("source", sa.String(120), nullable=False),
    sa.Column("keyword", sa.String(64)),
    sa.Column("message_id", Id),
    sa.Column("confirmation_id", Id),
    sa.Index("ix_consents_address", "address", "id"),
)

# Do-not-disturb lists: ``version`` is the import whose addresses count. The addresses of a version
# are there before it counts, and are cleared away after another has taken its place.
do_not_disturb_lists = sa.Table(
    "do_not_disturb_lists",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", Id, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("imported_at", Instant, nullable=False),
)

do_not_disturb = sa.Table(
    "do_not_disturb",
    metadata,
    sa.Column("version", Id, primary_key=True),
    sa.Column("address", sa.String(320), primary_key=True),
    sqlite_with_rowid=False,
)

# Addresses whose place on a provider's own list may have to change; ``version`` tells whether that
# came up again while the provider was being told.
pushes = sa.Table(
    "pushes",
    metadata,
    sa.Column("account", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(320), primary_key=True),
    sa.Column("version", Id, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Index("ix_pushes_due", "account", "due_at"),
)

# Threads between one person and one account; ``status`` is new (waits for an agent), current (an
# agent has it) or done. ``unread`` counts the MOs that no agent has seen.
conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("agent", sa.String(120)),
    sa.Column("unread", sa.Integer, nullable=False, server_default="0"),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("last_activity", Instant, nullable=False),
    sa.Column("last_received_at", Instant),
    sa.Column("last_sent_at", Instant),
    sa.UniqueConstraint("address", "account", "channel"),
    sa.Index("ix_conversations_activity", "last_activity", "id"),
    sa.Index("ix_conversations_status", "status", "last_activity", "id"),
    sa.Index(
        "ix_conversations_agent", "agent", "last_activity", "id", **partial("agent IS NOT NULL")
    ),
    sa.Index("ix_conversations_account", "account", "last_activity", "id"),
)

# Events on their way to sinks. Those of one ``thread`` (account, channel and address) go in the
# order of their ids. ``state`` is pending, delivered, or dead (given up until a person replays it);
# ``repeated`` says that an earlier call may have been taken; ``background`` that it lets others go
# first; ``failing_since`` is when its first call failed.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("sink", sa.String(64), nullable=False),
    sa.Column("event_id", Id, nullable=False),
    sa.Column("thread", sa.String(420), nullable=False),
    sa.Column("state", sa.String(9), nullable=False, server_default="pending"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("repeated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    sa.Column("error", sa.Text),
    sa.Column("background", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("failing_since", Instant),
    sa.Index("ix_deliveries_thread", "sink", "thread", "id", **partial("state = 'pending'")),
    # created_at, so that what waits is counted without a look into the table; state here and below,
    # because SQLite takes the index of which it can use the most columns
    sa.Index(
        "ix_deliveries_due",
        "sink",
        "state",
        "background",
        "due_at",
        "id",
        "created_at",
        **partial("state = 'pending'"),
    ),
    sa.Index("ix_deliveries_sink", "sink", "id"),
    sa.Index("ix_deliveries_dead", "sink", "state", "id", **partial("state = 'dead'")),
    sa.Index("ix_deliveries_delivered", "sink", "state", "id", **partial("state = 'delivered'")),
)

# Short addresses that stand in messages, and how often each was followed.
links = sa.Table(
    "links",
    metadata,
    sa.Column("code", sa.String(16), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("clicks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_click_at", Instant),
    sa.Index("ix_links_created", "created_at", "code"),
)

# Texts with placeholders; ``variants`` are those of each channel and language.
templates = sa.Table(
    "templates",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("variants", Json, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

# What is sent by the calendar. ``kind`` is message or campaign, ``request`` the message or what
# names the campaign; ``rrule`` is empty for one time. ``status`` is active, paused or finished;
# ``next_at`` is the occurrence that comes next.
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(120)),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("request", Json, nullable=False),
    sa.Column("rrule", sa.Text),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("misfire", sa.String(4), nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("next_at", Instant),
    sa.Column("last_at", Instant),
    sa.Column("runs", sa.Integer, nullable=False, server_default="0"),
    sa.Column("skipped", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_schedules_due", "next_at", **partial("status = 'active'")),
)

# ``status`` is draft, scheduled, running, paused, finished or canceled. ``request`` is what every
# message of it has in common. All recipients up to ``position`` have got their message, or never
# will; ``fed_at`` and ``credit`` (messages that may go at once) are the throttle's. A run of a
# schedule (``schedule_id``, ``occurrence``) has the audience of the campaign that it repeats.
campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("status", sa.String(9), nullable=False),
    sa.Column("request", Json, nullable=False),
    sa.Column("audience_id", Id, nullable=False),
    sa.Column("position", sa.Integer, nullable=False, server_default="0"),
    sa.Column("throttle", sa.String(32)),
    sa.Column("fed_at", Instant),
    sa.Column("credit", sa.Float, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("schedule_id", Id),
    sa.Column("occurrence", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("scheduled_at", Instant),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Index(
        "ix_campaigns_active",
        "status",
        "id",
        **partial("status IN ('scheduled', 'running', 'paused')"),
    ),
    sa.Index(
        "uq_campaigns_occurrence",
        "schedule_id",
        "occurrence",
        unique=True,
        **partial("schedule_id IS NOT NULL"),
    ),
)

# The audiences of campaigns, row by row as they were imported, from position 1 on. A row with a
# ``fault`` is nobody's: it is a repeat, or has no usable address; it says which.
recipients = sa.Table(
    "recipients",
    metadata,
    sa.Column("audience_id", Id, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("document_hash", sa.String(64)),
    sa.Column("variables", Json),
    sa.Column("fault", sa.Text),
    sa.Index(
        "uq_recipients_address",
        "audience_id",
        "address",
        unique=True,
        **partial("fault IS NULL"),
    ),
    sqlite_with_rowid=False,
)

# The files that audiences came from, by their SHA-256: how far each has been read, and what came of
# it, so that the same file goes on where it was broken off.
audience_imports = sa.Table(
    "audience_imports",
    metadata,
    sa.Column("audience_id", Id, primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False, server_default="0"),
    sa.Column("accepted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("duplicates", sa.Integer, nullable=False, server_default="0"),
    sa.Column("invalid", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
)


def _stats_key(*, primary: bool) -> list[sa.Column[str]]:
    """Return the columns by which is counted; an empty text is none."""
    return [
        sa.Column("day", sa.String(10), primary_key=primary, nullable=False),
        sa.Column("account", sa.String(64), primary_key=primary, nullable=False),
        sa.Column("channel", sa.String(32), primary_key=primary, nullable=False),
        sa.Column("campaign_id", Id, primary_key=primary, nullable=False),
        sa.Column("cost_centre", sa.String(64), primary_key=primary, nullable=False),
        sa.Column("metric", sa.String(12), primary_key=primary, nullable=False),
    ]


# What the messages of a day (that of the gateway's zone on which they were created) have come to.
stats = sa.Table(
    "stats",
    metadata,
    *_stats_key(primary=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Index("ix_stats_campaign", "campaign_id", "metric", **partial("campaign_id <> ''")),
    sqlite_with_rowid=False,
)

# What is yet to be added to ``stats``: only inserted, so that no two transactions wait for a row.
stats_changes = sa.Table(
    "stats_changes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    *_stats_key(primary=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# Keys that the gateway makes for itself where the configuration gives none.
own_keys = sa.Table(
    "own_keys",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("key", sa.LargeBinary(64), nullable=False),
)

# The processes that share the store; one that stops saying so is dead, and its open dispatches are
# in doubt.
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("heartbeat_at", Instant, nullable=False),
)
