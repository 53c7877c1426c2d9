"""Templates, schedules, campaigns, statistics; and which deliveries may wait for others."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    _extend()
    _add_templates_and_schedules()
    _add_campaigns()
    _add_statistics()


def downgrade() -> None:
    """Undo the revision."""
    for name in (
        "stats_changes",
        "stats",
        "audience_imports",
        "recipients",
        "campaigns",
        "schedules",
        "templates",
    ):
        op.drop_table(name)
    op.drop_index("ix_conversations_account", table_name="conversations")
    op.drop_index("ix_conversations_agent", table_name="conversations")
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    _index(
        "ix_deliveries_due",
        "deliveries",
        ["sink", "state", "due_at", "id", "created_at"],
        "state = 'pending'",
    )
    op.drop_column("deliveries", "failing_since")
    op.drop_column("deliveries", "background")
    for name in ("recipient", "cost", "cost_centre", "template"):
        op.drop_column("messages", name)


def _extend() -> None:
    op.add_column("messages", sa.Column("template", sa.JSON(), nullable=True))
    op.add_column("messages", sa.Column("cost_centre", sa.String(length=64), nullable=True))
    op.add_column("messages", sa.Column("cost", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("recipient", sa.Integer(), nullable=True))
    op.add_column(
        "deliveries",
        sa.Column("background", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("deliveries", sa.Column("failing_since", sa.BigInteger(), nullable=True))
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    _index(
        "ix_deliveries_due",
        "deliveries",
        ["sink", "state", "background", "due_at", "id", "created_at"],
        "state = 'pending'",
    )
    _index(
        "ix_conversations_agent",
        "conversations",
        ["agent", "last_activity", "id"],
        "agent IS NOT NULL",
    )
    op.create_index("ix_conversations_account", "conversations", ["account", "last_activity", "id"])


def _add_templates_and_schedules() -> None:
    op.create_table(
        "templates",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("variants", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_templates")),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("rrule", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("misfire", sa.String(length=4), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    _index("ix_schedules_due", "schedules", ["next_at"], "status = 'active'")


def _add_campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("audience_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("throttle", sa.String(length=32), nullable=True),
        sa.Column("fed_at", sa.BigInteger(), nullable=True),
        sa.Column("credit", sa.Float(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("schedule_id", sa.String(length=36), nullable=True),
        sa.Column("occurrence", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    _index(
        "ix_campaigns_active",
        "campaigns",
        ["status", "id"],
        "status IN ('scheduled', 'running', 'paused')",
    )
    _index(
        "uq_campaigns_occurrence",
        "campaigns",
        ["schedule_id", "occurrence"],
        "schedule_id IS NOT NULL",
        unique=True,
    )
    op.create_table(
        "recipients",
        sa.Column("audience_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("document_hash", sa.String(length=64), nullable=True),
        sa.Column("variables", sa.JSON(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audience_id", "position", name=op.f("pk_recipients")),
        sqlite_with_rowid=False,
    )
    _index(
        "uq_recipients_address",
        "recipients",
        ["audience_id", "address"],
        "fault IS NULL",
        unique=True,
    )
    op.create_table(
        "audience_imports",
        sa.Column("audience_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("duplicates", sa.Integer(), server_default="0", nullable=False),
        sa.Column("invalid", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("audience_id", "digest", name=op.f("pk_audience_imports")),
    )


def _add_statistics() -> None:
    key = ("day", "account", "channel", "campaign_id", "cost_centre", "metric")
    lengths = {"day": 10, "account": 64, "channel": 32, "cost_centre": 64, "metric": 12}
    op.create_table(
        "stats",
        *(sa.Column(name, sa.String(length=lengths.get(name, 36)), nullable=False) for name in key),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_stats")),
        sqlite_with_rowid=False,
    )
    _index("ix_stats_campaign", "stats", ["campaign_id", "metric"], "campaign_id <> ''")
    op.create_table(
        "stats_changes",
        sa.Column("id", sa.String(length=36), nullable=False),
        *(sa.Column(name, sa.String(length=lengths.get(name, 36)), nullable=False) for name in key),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stats_changes")),
    )


def _index(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
