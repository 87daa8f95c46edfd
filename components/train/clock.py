"""How long the phases of a training take."""

import time


class Clock:
    """Measures phases that follow one another.

    Attributes:
        laps: The seconds of each, by name.
    """

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Ends a phase, and begins the next one."""
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now
