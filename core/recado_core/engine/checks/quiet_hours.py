"""The check of quiet hours."""

from collections.abc import Callable, Mapping, Sequence

from recado_core.checks import Deferral, OnFailure, Recipient
from recado_core.engine.checks.hours import QuietHours
from recado_core.engine.settings import QuietHoursSettings


class QuietHoursCheck:
    """Puts off what would come in the recipient's quiet hours.

    Args:
        settings: The hours, by channel.
        timezone: The gateway's, for whom nothing tells where they are.
        draw: Returns a number from [0, 1), by which what waits for the same opening is spread.

    Raises:
        ConfigurationError: A key can't be read, or the hours of a channel never open.
    """

    id = "quiet_hours"
    on_failure = OnFailure.HOLD
    time_limit = 10.0

    def __init__(
        self,
        settings: Mapping[str, QuietHoursSettings],
        timezone: str,
        draw: Callable[[], float],
    ) -> None:
        self._hours = QuietHours(settings, timezone)
        self._draw = draw

    async def check(self, recipients: Sequence[Recipient]) -> list[Deferral | None]:
        """Return a deferral for everybody whose hours are not open at the message's time."""
        return [self._judge(each) for each in recipients]

    def _judge(self, recipient: Recipient) -> Deferral | None:
        opening = self._hours.opening(
            recipient.address, recipient.channel, recipient.category, recipient.at
        )
        if opening is None:
            return None
        until = opening.spread(self._draw)
        return Deferral(check=self.id, reason=opening.reason, until=until)
