"""The check of the do-not-disturb lists."""

from collections.abc import Sequence

from recado_core.addresses import forms_of
from recado_core.checks import Answer, OnFailure, Recipient, Refusal
from recado_core.engine.policy import is_disturbing
from recado_core.engine.settings import DoNotDisturbSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import do_not_disturb as store


class DoNotDisturbCheck:
    """Refuses who is on a list what would disturb them: marketing, and more if so set."""

    id = "do_not_disturb"
    on_failure = OnFailure.HOLD
    time_limit = 10.0

    def __init__(self, database: Database, settings: DoNotDisturbSettings) -> None:
        self._database = database
        self._settings = settings

    async def check(self, recipients: Sequence[Recipient]) -> list[Answer]:
        """Return a refusal for every recipient on a list; the reason names the list."""
        asked = [
            forms_of(each.address)
            if is_disturbing(each.category, transactional=self._settings.transactional)
            else ()
            for each in recipients
        ]
        addresses = {form for forms in asked for form in forms}
        if not addresses:
            return [None] * len(recipients)
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
