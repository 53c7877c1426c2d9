"""An index of messages' events with nothing in it but the message, which is a third of the writing.

A message's events come one after another, between those of others: each is written into the middle.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CONDITION = sa.text("message_id IS NOT NULL")


def upgrade() -> None:
    """Apply the revision."""
    op.drop_index("ix_events_message", table_name="events")
    op.create_index(
        "ix_events_message",
        "events",
        ["message_id"],
        unique=False,
        sqlite_where=_CONDITION,
        postgresql_where=_CONDITION,
    )


def downgrade() -> None:
    """Undo the revision."""
    op.drop_index("ix_events_message", table_name="events")
    op.create_index("ix_events_message", "events", ["message_id", "id"], unique=False)
