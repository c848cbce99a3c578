"""What the hub asks of a telemetry store."""

from collections.abc import Sequence
from typing import Protocol

from hub.telemetry.point import LaneBatch, LaneKey, Point
from hub.telemetry.series import Page, SeriesQuery


class TelemetryStore(Protocol):
    """Durable history of readings; every method may be called from any thread."""

    def append(self, batches: Sequence[LaneBatch]) -> None:
        """Commit the points above the store's own high water of their lane, and move it, in one durable transaction.

        A crash between this commit and the state's neither loses nor doubles: what the store's high water has passed
        is skipped. Raises StorageError, and then nothing of it is committed.
        """
        ...

    def append_late(self, points: Sequence[Point]) -> None:
        """Commit points below the high water of their lane (released from quarantine).

        The same point overwrites itself. Raises StorageError, and then nothing of it is committed.
        """
        ...

    def high_water(self, key: LaneKey) -> int:
        """Return the seq up to which the store holds the lane, 0 where it has never heard of it."""
        ...

    def query(self, query: SeriesQuery) -> Page:
        """Return a page of the series, oldest first, raw or aggregated in windows; StorageError where it cannot."""
        ...

    def latest(self, site: str, facilities: Sequence[str]) -> dict[str, Point]:
        """Return the newest point (highest effective time) of each facility slug that has one.

        Its `seq` is what the point time holds of it: seq mod 10⁶. StorageError where the store cannot answer.
        """
        ...

    def ping(self) -> str | None:
        """Return None when the store commits, else one line that says what is wrong."""
        ...

    def close(self) -> None:
        """Stop threads and release files; idempotent."""
        ...
