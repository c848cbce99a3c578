"""Fault points: the places between two effects where a crash must neither lose nor double anything.

The critical steps pass them; a test that hears of them ends the process there. In production nobody listens.
"""

from collections.abc import Callable
from enum import StrEnum


class FaultPoint(StrEnum):
    """What has just happened, and what has not yet."""

    TELEMETRY_COMMITTED = "telemetry_committed"
    """A batch's readings are durable, its state is not."""
    STATE_WRITTEN = "state_written"
    """A state transaction is written with its reactions, and not committed."""
    STATE_COMMITTED = "state_committed"
    """It is committed; memory, listeners and the caller do not know it yet."""
    BATCH_COMMITTED = "batch_committed"
    """A batch is durable as a whole, its edges are not told."""
    BATCH_ACKNOWLEDGED = "batch_acknowledged"
    """They are told."""
    NOTIFICATIONS_LEASED = "notifications_leased"
    """Notifications are taken to be sent, none is."""
    NOTIFICATIONS_SENT = "notifications_sent"
    """The service has them, the outbox does not know it."""
    NOTIFICATIONS_SETTLED = "notifications_settled"
    """The outbox knows it."""
    LINES_STORED = "lines_stored"
    """InfluxDB has the lines, the log still holds them."""
    LINES_PASSED_OVER = "lines_passed_over"
    """The log has let go of them."""
    BAD_LINE_TAKEN = "bad_line_taken"
    """A line that InfluxDB refuses is quarantined, the log still holds it."""
    STAGE_TOLD = "stage_told"
    """A node is told how far its SOS has come."""


_listener: Callable[[FaultPoint], None] | None = None


def listen(listener: Callable[[FaultPoint], None] | None) -> None:
    """Have `listener` called at every fault point of this process, on the thread that passes it; None: nobody."""
    global _listener  # noqa: PLW0603 one process, one crash
    _listener = listener


def passed(point: FaultPoint) -> None:
    """Say that a fault point is passed."""
    if _listener is not None:
        _listener(point)
