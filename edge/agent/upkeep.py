"""What the agent keeps in order once a second: marks, old rows, room on the disk, the clock."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from edge.clock import Moment
from edge.outbox import Outbox
from edge.outbox.clearing import Clearing
from edge.outbox.rebuild import Remains
from edge.outbox.reserve import BYTES as RESERVED_BYTES
from edge.retention import RESERVE_BYTES, Room, Sizes, room
from protocols.envelope import ClockState
from protocols.events import EventName
from protocols.instant import format_instant, from_ms, parse_instant_ms
from protocols.lanes import Lane

EVERY_MS: Final = 1_000
SAVE_EVERY_MS: Final = 2_000
"""Marks that no commit has carried along are saved after this long; all they save is a re-send."""
FORGET_EVERY_MS: Final = 3_600_000
KEEP_CALLS: Final = timedelta(hours=72)
"""How long a closed call can still be looked up."""
STEP_MS: Final = 5_000
"""A wall clock that moves by more than this against uptime has been set, which is told."""
SET_MS: Final = 1_000
"""By more than this between two looks it has been set as well, and what it said before is not to be believed."""
_GIVE_BACK_FROM: Final = 8 * RESERVE_BYTES
"""Free room in the file above which pages return to the disk."""
_PAGES_AT_ONCE: Final = 64
_log = logging.getLogger(__name__)

Report = Callable[[EventName, dict[str, Any]], None]
"""Tells of trouble of the node itself."""
DiskFree = Callable[[], int]
"""Bytes free on the outbox's disk."""


class Upkeep:
    """The agent's housekeeping; each step is bounded, so that a call for help never waits for it."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        limit_bytes: int,
        min_disk_free: int,
        disk_free: DiskFree,
        report: Report,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._outbox = outbox
        self._clearing = Clearing(outbox)
        self._remains = Remains(outbox, now_s=now_s)
        self._limit_bytes = limit_bytes
        self._min_disk_free = min_disk_free
        self._disk_free = disk_free
        self._report = report
        self._due_ms = 0
        self._saved_ms = 0
        self._forgot_ms: int | None = None
        self._hub_ms: int | None = None
        self._room = Room.AMPLE
        self._last: Moment | None = None
        self._told_off = False
        self._brought = 0

    @property
    def due_ms(self) -> int:
        """When `tick` has something to do, in uptime."""
        return self._due_ms

    def heard_hub(self, hub_ms: int) -> None:
        """The home hub's time, by which done rows age."""
        self._hub_ms = hub_ms

    def watch_clock(self, moment: Moment) -> None:
        """Note when this boot learns the time, when the clock is set by a step, and when the hub contradicts it.

        What a boot stamped by a clock that was set is not to be believed once it proved wrong: its uptime dates it.
        """
        last = self._last or self._recalled()
        overruled = moment.overruled and not (last is not None and last.overruled)
        if moment.state is ClockState.SYNCED:
            learns = last is None or last.state is not ClockState.SYNCED
            step_ms = 0 if last is None or learns else _step_ms(last, moment)
            is_set = abs(step_ms) > SET_MS
            if overruled or is_set:
                self._outbox.distrust_clock()
            if overruled or is_set or learns:
                self._outbox.set_anchor(at=moment.at, uptime_ms=moment.uptime_ms)
            if learns:
                _log.info("clock.synced", extra={"now": format_instant(moment.at)})
            elif abs(step_ms) > STEP_MS and not overruled:
                self._report(EventName.CLOCK_STEPPED, {"by_ms": step_ms})
        self._tell_off(moment)
        self._last = moment

    def _recalled(self) -> Moment | None:
        """What an agent that ran before in this boot knew of the time."""
        anchor = self._outbox.anchor
        at_ms = None if anchor is None else parse_instant_ms(anchor.at)
        if anchor is None or at_ms is None:
            return None
        return Moment(from_ms(at_ms), anchor.uptime_ms, ClockState.SYNCED)

    def _tell_off(self, moment: Moment) -> None:
        """Say once that the system's clock, though set, is far from the hub's, and once that it is near it again."""
        if moment.off_ms is not None and abs(moment.off_ms) > STEP_MS and not self._told_off:
            self._told_off = True
            counts = "the hub's time" if moment.overruled else "the system's clock"
            self._report(EventName.CLOCK_STEPPED, {"off_ms": moment.off_ms, "counts": counts})
        elif moment.off_ms is None and self._told_off:
            self._told_off = False
            _log.info("clock.agrees", extra={"now": format_instant(moment.at)})

    def tick(self, moment: Moment) -> bool:
        """Do what is due; whether something of a corrupt outbox was stored."""
        if moment.uptime_ms < self._due_ms:
            return False
        self._due_ms = moment.uptime_ms + EVERY_MS
        if moment.uptime_ms - self._saved_ms >= SAVE_EVERY_MS:
            self._saved_ms = moment.uptime_ms
            self._outbox.save()
        if self._hub_ms is not None:
            self._clearing.drop_aged(hub_ms=self._hub_ms)
        if self._forgot_ms is None or moment.uptime_ms - self._forgot_ms >= FORGET_EVERY_MS:
            self._forgot_ms = moment.uptime_ms
            self._outbox.calls.forget(before=format_instant(moment.at - KEEP_CALLS))
        self._make_room()
        return self._room is Room.AMPLE and self._bring_over()

    def _bring_over(self) -> bool:
        came = self._remains.step()
        if came is None:
            return False
        self._brought += came
        if not self._remains.are_left:
            _log.info("outbox.salvaged", extra={"readings": self._brought})
        return came > 0

    def _make_room(self) -> None:
        file, free = self._clearing.sizes()
        disk_free = self._disk_free()
        sizes = Sizes(
            file=file,
            free_in_file=free,
            limit=self._limit_bytes,
            disk_free=disk_free,
            min_disk_free=self._min_disk_free,
        )
        before, self._room = self._room, room(sizes)
        if self._room is Room.FULL and before is not Room.FULL:
            self._report(EventName.LOW_DISK, {"outbox_mb": file >> 20, "disk_free_mb": disk_free >> 20})
        reserve = self._outbox.reserve
        if reserve is not None and not reserve.is_laid and disk_free >= self._min_disk_free + RESERVED_BYTES:
            reserve.lay()
        if self._room is Room.AMPLE:
            if free > _GIVE_BACK_FROM:
                self._clearing.give_back(pages=_PAGES_AT_ONCE)
            return
        if self._clearing.drop_done(Lane.TELEMETRY):
            return
        if self._clearing.thin():
            return
        if self._room is Room.FULL and not self._clearing.evict():
            for lane in (Lane.EVENT, Lane.SOS):
                self._clearing.drop_done(lane)


def _step_ms(last: Moment, moment: Moment) -> int:
    """How far the wall clock has moved beyond what uptime says."""
    return round((moment.at - last.back_at(moment.uptime_ms)).total_seconds() * 1_000)
