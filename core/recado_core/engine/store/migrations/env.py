"""How alembic runs the revisions: on the connection that ``store.database`` gives it."""

from typing import Any

from alembic import context

from recado_core.engine.store.schema import metadata


def note_step(ctx: object, step: Any, heads: object, run_args: object) -> None:  # noqa: ANN401, ARG001  # as alembic calls it
    """Tell the caller which revision has been applied."""
    context.config.attributes["applied"].append(step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    on_version_apply=note_step,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
