"""Deliveries to sinks, and short links."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("messages", sa.Column("origin", sa.String(length=64), nullable=True))
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("sink", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("thread", sa.String(length=420), nullable=False),
        sa.Column("state", sa.String(length=9), server_default="pending", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("repeated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    for name, columns, condition in (
        ("ix_deliveries_thread", ["sink", "thread", "id"], "state = 'pending'"),
        (
            "ix_deliveries_due",
            ["sink", "state", "due_at", "id", "created_at"],
            "state = 'pending'",
        ),
        ("ix_deliveries_dead", ["sink", "state", "id"], "state = 'dead'"),
        ("ix_deliveries_delivered", ["sink", "state", "id"], "state = 'delivered'"),
    ):
        op.create_index(
            name,
            "deliveries",
            columns,
            unique=False,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_index("ix_deliveries_sink", "deliveries", ["sink", "id"], unique=False)
    op.create_table(
        "links",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("clicks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_click_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_links")),
    )
    op.create_index("ix_links_created", "links", ["created_at", "code"], unique=False)


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("links")
    op.drop_table("deliveries")
    op.drop_column("messages", "origin")
