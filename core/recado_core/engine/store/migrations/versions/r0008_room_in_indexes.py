"""Room in PostgreSQL's indexes of messages: each change of status adds an entry beside the old one.

A page without room is split for it, and half of what is split off stays empty. Pages that are there
already stay as they are: new messages come to new ones.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INDEXES = (
    "pk_messages",
    "ix_messages_dispatch",
    "ix_messages_address",
    "ix_messages_batch",
)


def upgrade() -> None:
    """Apply the revision."""
    _alter("SET (fillfactor = 50)")


def downgrade() -> None:
    """Undo the revision."""
    _alter("RESET (fillfactor)")


def _alter(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in _INDEXES:
            op.execute(f"ALTER INDEX {name} {how}")
