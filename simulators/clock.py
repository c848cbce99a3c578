"""The one place where the simulators read a clock."""

import time
from datetime import UTC, datetime

from simulators.timeline import Moment, Timeline


def now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds that only rise."""
    return time.monotonic()


class StoryClock:
    """The clock of a running story: how far it has come, and what its nodes' clocks show."""

    def __init__(self, timeline: Timeline) -> None:
        """Begin the story."""
        self.timeline = timeline.begun(now())
        self._began_s = monotonic_s()

    def after_s(self) -> float:
        """Return how many seconds of the story have passed."""
        return self.timeline.after_s(monotonic_s() - self._began_s)

    def wait_s(self, after_s: float) -> float:
        """Return how many real seconds remain until that point of the story; negative when it has passed."""
        return self._began_s + self.timeline.wall_s(after_s) - monotonic_s()

    def moment(self) -> Moment:
        """Look at a node's clocks; a node's uptime begins with the story."""
        after_s = self.after_s()
        return Moment(monotonic_s(), self.timeline.stamp(after_s), int(self.timeline.clock_s(after_s) * 1000))
