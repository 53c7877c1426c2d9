"""The check of the do-not-disturb lists."""

from collections.abc import Sequence

from recado_core.addresses import forms_of
from recado_core.checks import Answer, OnFailure, Recipient, Refusal
from recado_core.engine.policy import is_disturbing
from recado_core.engine.settings import DoNotDisturbSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import do_not_disturb as store
from recado_core.messages import Category


class DoNotDisturbCheck:
    """Refuses who is on a list what would disturb them: marketing, and more if so set."""

    id = "do_not_disturb"
    on_failure = OnFailure.HOLD
    time_limit = 10.0

    def __init__(self, database: Database, settings: DoNotDisturbSettings) -> None:
        self._database = database
        # Not a set: up to Python 3.11 a member's hash is a call.
        self._disturbing = tuple(
            category
            for category in Category
            if is_disturbing(category, transactional=settings.transactional)
        )

    async def check(self, recipients: Sequence[Recipient]) -> list[Answer]:
        """Return a refusal for every recipient on a list; the reason names the list."""
        disturbing = self._disturbing
        disturbed = [each.category in disturbing for each in recipients]
        if True not in disturbed:
            return [None] * len(recipients)
        asked = [
            forms_of(each.address) if is_asked else ()
            for each, is_asked in zip(recipients, disturbed, strict=True)
        ]
        addresses = {form for forms in asked for form in forms}
        async with self._database.read() as connection:
            found = await store.protected(connection, addresses)
        return [
            next(
                (
                    Refusal(check=self.id, reason=f"on the list {found[form]}")
                    for form in forms
                    if form in found
                ),
                None,
            )
            for forms in asked
        ]
