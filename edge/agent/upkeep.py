"""What the agent keeps in order once a second: marks, old rows, room on the disk, the clock."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.clock import Clock, Moment
from edge.outbox import Outbox
from protocols.envelope import ClockState
from protocols.events import EventName

EVERY_MS: Final = 1_000
SAVE_EVERY_MS: Final = 2_000
"""Marks that no commit has carried along are saved after this long; they are only a saving of re-sends."""
STEP_MS: Final = 5_000
"""A wall clock that moves by more than this against uptime has been set."""
_log = logging.getLogger(__name__)

Report = Callable[[EventName, dict[str, object]], None]
"""Tells of trouble of the node itself."""


class Upkeep:
    """The agent's housekeeping; each step is bounded, so that a call for help never waits for it."""

    def __init__(self, outbox: Outbox, clock: Clock, *, data_dir: Path, report: Report) -> None:
        self._outbox = outbox
        self._clock = clock
        self._data_dir = data_dir
        self._report = report
        self._due_ms = 0
        self._saved_ms = 0
        self._hub_ms: int | None = None
        self._last: Moment | None = None

    @property
    def due_ms(self) -> int:
        """When `tick` has something to do, in uptime."""
        return self._due_ms

    def heard_hub(self, hub_ms: int) -> None:
        """The home hub's time, by which done rows age."""
        self._hub_ms = hub_ms

    def watch_clock(self, moment: Moment) -> None:
        """Note when this boot learns the time, and when the clock is set by a step."""
        last, self._last = self._last, moment
        if moment.state is not ClockState.SYNCED:
            return
        if last is None or last.state is not ClockState.SYNCED:
            self._outbox.set_anchor(at=moment.at, uptime_ms=moment.uptime_ms)
            _log.info("clock.synced", extra={"at": moment.at.isoformat()})
            return
        step_ms = round((moment.at - last.back_at(moment.uptime_ms)).total_seconds() * 1_000)
        if abs(step_ms) > STEP_MS:
            self._report(EventName.CLOCK_STEPPED, {"by_ms": step_ms})
            self._outbox.set_anchor(at=moment.at, uptime_ms=moment.uptime_ms)

    def tick(self, moment: Moment) -> None:
        """Do what is due."""
        if moment.uptime_ms < self._due_ms:
            return
        self._due_ms = moment.uptime_ms + EVERY_MS
        if moment.uptime_ms - self._saved_ms >= SAVE_EVERY_MS:
            self._saved_ms = moment.uptime_ms
            self._outbox.save()
        self._outbox.prune(hub_ms=self._hub_ms)
