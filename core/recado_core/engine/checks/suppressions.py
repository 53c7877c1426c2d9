"""The check of the suppression list."""

from collections.abc import Sequence
from datetime import datetime

from recado_core.addresses import forms_of
from recado_core.checks import Answer, OnFailure, Recipient, Refusal
from recado_core.engine.policy import is_suppressed_by
from recado_core.engine.settings import DoNotDisturbSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.schema import EPOCH
from recado_core.engine.store.statements import suppressions as store


class SuppressionCheck:
    """Refuses whom an entry of the list concerns; the reason is the entry's."""

    id = "suppressions"
    on_failure = OnFailure.HOLD
    time_limit = 10.0

    def __init__(self, database: Database, do_not_disturb: DoNotDisturbSettings) -> None:
        self._database = database
        self._do_not_disturb = do_not_disturb

    async def check(self, recipients: Sequence[Recipient]) -> list[Answer]:
        """Return a refusal for every recipient whom an entry concerns."""
        addresses = {form for recipient in recipients for form in forms_of(recipient.address)}
        hashes = {each.document_hash for each in recipients if each.document_hash}
        async with self._database.glance() as connection:
            rows = await store.concerning(connection, addresses, hashes)
        if not rows:
            return [None] * len(recipients)
        by_address: dict[str, list[store.Row]] = {}
        by_person: dict[str, list[store.Row]] = {}
        for row in sorted(rows, key=lambda row: row["id"]):
            if row["address"]:
                by_address.setdefault(row["address"], []).append(row)
            else:
                by_person.setdefault(row["document_hash"], []).append(row)
        return [
            self._judge(
                each,
                [
                    *(row for form in forms_of(each.address) for row in by_address.get(form, ())),
                    *by_person.get(each.document_hash or "", ()),
                ],
            )
            for each in recipients
        ]

    def _judge(self, recipient: Recipient, rows: Sequence[store.Row]) -> Answer:
        """Refuse by the entry that ends last, so that its end is when the recipient is free."""
        transactional = self._do_not_disturb.transactional
        for row in sorted(rows, key=_end, reverse=True):
            if is_suppressed_by(recipient, row, do_not_disturb_transactional=transactional):
                return Refusal(check=self.id, reason=row["reason"], until=row["expires_at"])
        return None


def _end(row: store.Row) -> tuple[bool, datetime]:
    """Return what sorts an entry by its end; one without an end comes last."""
    end: datetime | None = row["expires_at"]
    return (end is None, end or EPOCH)
