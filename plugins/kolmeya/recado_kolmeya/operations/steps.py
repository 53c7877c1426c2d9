"""How far a report is that takes more than one call."""

from recado_core import Progress


class Steps:
    """Counts the calls of a report: of parts, each of which may turn out to need more of them."""

    def __init__(self, progress: Progress, parts: int = 1) -> None:
        self._progress = progress
        self._parts = parts
        self._done = 0

    def count_call(self, left: int = 0) -> None:
        """Tell of a call that is done; ``left`` are those that its part still needs."""
        self._done += 1
        if left == 0:
            self._parts -= 1
        others = self._parts - 1 if left else self._parts
        self._progress(self._done, self._done + left + others)

    def drop_rest(self) -> None:
        """Tell that the parts that are left are not needed."""
        self._progress(self._done, self._done)
