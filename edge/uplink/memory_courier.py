"""Carries calls for help that the disk does not take: keeps the memory lane and publishes it."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from edge.clock import Moment
from edge.uplink.memory_lane import MemoryCall, MemoryLane, answered, connected, due, hold, rows
from edge.uplink.message import RECORD_BYTES, compose
from protocols.ack import Ack
from protocols.envelope import Stamp
from protocols.instant import format_instant

_MOST_RECORDS: Final = 200
_log = logging.getLogger(__name__)

Publish = Callable[[bytes], bool]
"""Publish on the sos connection; False where that cannot be done now."""


class MemoryCourier:
    """Sends what it holds until a hub has it or it is stored; called by the loop alone."""

    def __init__(self, *, publish: Publish, boot: str, new_epoch: Callable[[], str]) -> None:
        self._publish = publish
        self._boot = boot
        self._new_epoch = new_epoch
        self._lane = MemoryLane()

    def wake_ms(self) -> int | None:
        """When `tick` has something to send, in uptime."""
        return self._lane.due_ms

    @property
    def held(self) -> int:
        """How many records are held."""
        return len(self._lane.calls)

    @property
    def owes(self) -> bool:
        """Whether something is held that no hub is known to have."""
        return self._lane.due_ms is not None

    def has_sent(self, ref: str) -> bool:
        """Whether a hub has this call."""
        return self._lane.has_sent(ref)

    def hold(self, calls: Sequence[MemoryCall], moment: Moment) -> None:
        """These could not be stored."""
        before = self._lane
        epoch = before.epoch if before.calls else self._new_epoch()
        self._lane = hold(before, calls, epoch=epoch, at_ms=moment.uptime_ms)
        if len(self._lane.calls) > len(before.calls):
            _log.critical("call.unstored", extra={"held": len(self._lane.calls), "epoch": self._lane.epoch})

    def stored(self) -> None:
        """All of them are in the outbox now, which sends them."""
        self._lane = MemoryLane()

    def connected(self, moment: Moment) -> None:
        """The sos connection is up."""
        self._lane = connected(self._lane, at_ms=moment.uptime_ms)
        self.tick(moment)

    def answered(self, ack: Ack) -> None:
        """A hub said this of the sos lane."""
        refs = {receipt.ref for receipt in ack.sos or ()}
        self._lane = answered(self._lane, epoch=ack.epoch, high_water=ack.hw, refs=refs)

    def tick(self, moment: Moment) -> None:
        """Send what is due; what does not fit one message follows when that is answered."""
        self._lane, first = due(self._lane, at_ms=moment.uptime_ms)
        if first is None:
            return
        run, size = rows(self._lane, first, boot=self._boot)[:_MOST_RECORDS], 0
        for place, row in enumerate(run):
            size += len(row.body) + 1
            if place and size > RECORD_BYTES:
                run = run[:place]
                break
        now = Stamp(at=format_instant(moment.at), uptime_ms=moment.uptime_ms)
        self._publish(compose(run, epoch=self._lane.epoch, boot=self._boot, now=now).payload)
