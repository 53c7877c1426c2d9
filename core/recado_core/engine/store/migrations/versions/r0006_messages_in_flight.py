"""Indexes of messages in flight that a message's way writes less often, and judges more quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_IN_FLIGHT = "(status = 'sending' OR status = 'sent' OR status = 'unknown')"
_BEFORE = "status IN ('sending', 'sent', 'unknown')"


def upgrade() -> None:
    """Apply the revision."""
    _drop()
    _make("ix_messages_dispatch", ["dispatch_id"], "dispatch_id IS NOT NULL")
    _make(
        "ix_messages_in_flight",
        ["account", "provider_ref"],
        f"provider_ref IS NOT NULL AND {_IN_FLIGHT}",
    )


def downgrade() -> None:
    """Undo the revision."""
    _drop()
    _make("ix_messages_dispatch", ["dispatch_id"], _BEFORE)
    _make("ix_messages_in_flight", ["account", "provider_ref"], _BEFORE)


def _drop() -> None:
    for name in ("ix_messages_dispatch", "ix_messages_in_flight"):
        op.drop_index(name, table_name="messages")


def _make(name: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name,
        "messages",
        columns,
        unique=False,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
