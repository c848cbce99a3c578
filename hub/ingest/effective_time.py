"""When a record happened, and how that is known (wire contract §5); nothing is refused because of time."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from protocols.envelope import ClockState, LaneHeader, Stamp
from protocols.instant import parse_instant_ms

EARLIEST_PLAUSIBLE_MS: Final = 1_735_689_600_000
"""2025-01-01: no node was built before; what is older comes from a clock that was never set."""
LONGEST_AHEAD_MS: Final = 5 * 60_000
"""How far a node's clock may be ahead of the hub's and still be believed."""


class TimeSource(StrEnum):
    """How the effective time of a record is known."""

    AT = "at"
    """The node's synced clock."""
    UPTIME = "uptime"
    """The node's uptime then and now, and the hub's time."""
    ANCHOR = "anchor"
    """The node's uptime, and the time that its boot learnt later."""
    BOUNDED = "bounded"
    """Between its neighbours in the lane."""


class EffectiveTime(NamedTuple):
    """An instant in milliseconds since 1970, and its source."""

    at_ms: int
    source: TimeSource


@dataclass(frozen=True, slots=True)
class Stamping:
    """What the header of a message says of all its records' times, read once a message."""

    received_ms: int
    synced: bool
    now_uptime_ms: int | None
    anchor: tuple[int, int] | None
    """(at_ms, uptime_ms) of a plausible anchor."""
    latest_ms: int
    """Nothing in the message happened later: it was received, or made in a boot before the one that is running."""

    @classmethod
    def of(cls, header: LaneHeader, *, received_ms: int, next_boot_ms: int | None = None) -> "Stamping":
        """Read a header that was received at `received_ms`; the boot that runs now began at `next_boot_ms`."""
        latest_ms = received_ms
        if header.now is None and next_boot_ms is not None and next_boot_ms >= EARLIEST_PLAUSIBLE_MS:
            latest_ms = min(received_ms, next_boot_ms)
        return cls(
            received_ms=received_ms,
            synced=header.clock is ClockState.SYNCED,
            now_uptime_ms=header.now.uptime_ms if header.now is not None else None,
            anchor=_anchor(header.anchor, received_ms=received_ms),
            latest_ms=latest_ms,
        )


def effective_time(stamping: Stamping, at: object, uptime_ms: int | None, *, previous_ms: int | None) -> EffectiveTime:
    """Return when a record happened; `previous_ms` is the effective time of the record before it in its lane."""
    received_ms = stamping.received_ms
    if stamping.synced:
        at_ms = parse_instant_ms(at)
        if at_ms is not None and EARLIEST_PLAUSIBLE_MS <= at_ms <= received_ms + LONGEST_AHEAD_MS:
            return EffectiveTime(at_ms, TimeSource.AT)
    if uptime_ms is not None:
        if stamping.now_uptime_ms is not None:
            counted_ms = received_ms - max(0, stamping.now_uptime_ms - uptime_ms)
            # Nobody has run since before that, though a forged uptime says so; but time may be simulated, in any year.
            if counted_ms >= EARLIEST_PLAUSIBLE_MS or received_ms < EARLIEST_PLAUSIBLE_MS:
                return EffectiveTime(counted_ms, TimeSource.UPTIME)
        if stamping.anchor is not None:
            anchored_ms = stamping.anchor[0] + uptime_ms - stamping.anchor[1]
            if anchored_ms >= EARLIEST_PLAUSIBLE_MS:
                return EffectiveTime(min(anchored_ms, received_ms), TimeSource.ANCHOR)
    latest_ms = stamping.latest_ms if previous_ms is None else min(previous_ms, received_ms)
    return EffectiveTime(latest_ms, TimeSource.BOUNDED)


def is_plausible(at_ms: int, *, received_ms: int) -> bool:
    """Tell whether a node's clock can have said `at_ms` when the hub's said `received_ms`."""
    return EARLIEST_PLAUSIBLE_MS <= at_ms <= received_ms + LONGEST_AHEAD_MS


def _anchor(stamp: Stamp | None, *, received_ms: int) -> tuple[int, int] | None:
    if stamp is None:
        return None
    at_ms = parse_instant_ms(stamp.at)
    if at_ms is None or not is_plausible(at_ms, received_ms=received_ms):
        return None
    return at_ms, stamp.uptime_ms
