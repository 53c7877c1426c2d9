"""Who may get a message: suppressions, do-not-disturb lists, consents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("messages", sa.Column("document_hash", sa.String(length=64), nullable=True))
    op.add_column(
        "messages",
        sa.Column("unchecked", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        "ix_messages_marketing",
        "messages",
        ["address", "due_at"],
        unique=False,
        sqlite_where=sa.text("category = 'marketing' AND direction = 'out'"),
        postgresql_where=sa.text("category = 'marketing' AND direction = 'out'"),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("document_hash", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint(
            "address",
            "document_hash",
            "channel",
            "category",
            "reason",
            name=op.f("uq_suppressions_address_document_hash_channel_category_reason"),
        ),
    )
    op.create_index(
        "ix_suppressions_expiring",
        "suppressions",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("act", sa.String(length=8), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("keyword", sa.String(length=64), nullable=True),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("confirmation_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_address", "consents", ["address", "id"], unique=False)
    op.create_table(
        "do_not_disturb_lists",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=36), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_do_not_disturb_lists")),
    )
    op.create_table(
        "do_not_disturb",
        sa.Column("version", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.PrimaryKeyConstraint("version", "address", name=op.f("pk_do_not_disturb")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pushes",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("version", sa.String(length=36), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_pushes")),
    )
    op.create_index("ix_pushes_due", "pushes", ["account", "due_at"], unique=False)
    op.create_table(
        "own_keys",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_own_keys")),
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_table("own_keys")
    op.drop_table("pushes")
    op.drop_table("do_not_disturb")
    op.drop_table("do_not_disturb_lists")
    op.drop_table("consents")
    op.drop_table("suppressions")
    op.drop_index("ix_messages_marketing", table_name="messages")
    op.drop_column("messages", "unchecked")
    op.drop_column("messages", "document_hash")
