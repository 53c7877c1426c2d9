"""Conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("agent", sa.String(length=120), nullable=True),
        sa.Column("unread", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("last_activity", sa.BigInteger(), nullable=False),
        sa.Column("last_received_at", sa.BigInteger(), nullable=True),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "address",
            "account",
            "channel",
            name=op.f("uq_conversations_address_account_channel"),
        ),
    )
    op.create_index(
        "ix_conversations_activity", "conversations", ["last_activity", "id"], unique=False
    )
    op.create_index(
        "ix_conversations_status",
        "conversations",
        ["status", "last_activity", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("conversations")
