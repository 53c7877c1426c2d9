"""How far a report is that takes more than one call."""

from recado_core import Progress


class Steps:
    """Counts the calls of a report; more may turn out to be needed on the way."""

    def __init__(self, progress: Progress, ahead: int = 1) -> None:
        self._progress = progress
        self._ahead = ahead
        self._done = 0

    def count_call(self, more: int = 0) -> None:
        """Tell of a call that is done; ``more`` are those that it has added to the ones ahead."""
        self._done += 1
        self._ahead += more - 1
        self._progress(self._done, self._done + self._ahead)

    def drop_rest(self) -> None:
        """Tell that the calls still ahead are not needed."""
        if self._ahead:
            self._ahead = 0
            self._progress(self._done, self._done)
