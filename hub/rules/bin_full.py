"""binFull: a bin is full from `enter_percent` up, and emptied when it falls below `leave_percent`.

The first value inside the band counts as not full; inside the band nothing changes. A hold is a deadline in the state,
counted from the first full reading; a gap in the readings is unknown, never "still full", and begins the hold anew.
"""

from typing import Final, NamedTuple

from hub.rules.parameters import BinFullParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode

STALE_AFTER_MS: Final = 300_000
"""A reading speaks for at least this long: five minutes, as a reading's lateness horizon (wire.md §5)."""
STALE_INTERVALS: Final = 3
"""... and for this many expected intervals of its device, after which the device counts as silent."""


TILTED_DEGREES: Final = 45.0
"""From here a bin is being emptied or has fallen over, and its level says nothing (domain.md §1.1)."""


class BinFullState(NamedTuple):
    """What the rule remembers of one bin."""

    fill_percent: float | None = None
    """Newest valid fill level."""
    at_ms: int = 0
    """Its effective time."""
    full: bool = False
    above: int = 0
    """Full readings in a row, the newest included, while not `full`."""
    since_ms: int | None = None
    """Effective time of the first of them without a gap after it; None: unknown, begins with the next."""
    due_ms: int | None = None
    """When the hold ends, while one runs."""


EMPTY: Final = BinFullState()


def evaluate(
    parameters: BinFullParameters, state: BinFullState, fill_percent: float, *, at_ms: int, interval_ms: int | None
) -> tuple[BinFullState, tuple[Effect, ...]]:
    """Judge a valid reading, not older than the one before."""
    if state.full:
        if fill_percent >= parameters.leave_percent:
            return BinFullState(fill_percent, at_ms, full=True), ()
        return _empty(fill_percent, at_ms, decided_ms=at_ms)
    if fill_percent < parameters.enter_percent:
        return BinFullState(fill_percent, at_ms), ()
    since_ms = state.since_ms
    if since_ms is None or at_ms - state.at_ms > _stale_after_ms(parameters, interval_ms):
        since_ms = at_ms
    return _rise(parameters, state.above + 1, since_ms, fill_percent, at_ms)


def recheck(
    parameters: BinFullParameters, state: BinFullState, *, at_ms: int, interval_ms: int | None
) -> tuple[BinFullState, tuple[Effect, ...]]:
    """Judge the newest reading again: a hold came due, or the parameters changed.

    A hold that ended while the hub was down is judged by what was known when it ended.
    """
    fill_percent = state.fill_percent
    if fill_percent is None:
        return state, ()
    stale_after_ms = _stale_after_ms(parameters, interval_ms)
    fresh = at_ms - state.at_ms <= stale_after_ms
    if state.full:
        if fill_percent < parameters.leave_percent and fresh:
            return _empty(fill_percent, state.at_ms, decided_ms=at_ms)
        return state, ()
    if fill_percent < parameters.enter_percent:
        return BinFullState(fill_percent, state.at_ms), ()
    if not state.above and not fresh:
        return state, ()
    above = max(state.above, 1)
    since_ms = state.at_ms if not state.above else state.since_ms
    if since_ms is None:
        return state, ()
    if above < parameters.confirm_readings:
        return BinFullState(fill_percent, state.at_ms, above=above, since_ms=since_ms), ()
    due_ms = since_ms + int(parameters.hold_s * 1000)
    if at_ms < due_ms:
        return BinFullState(fill_percent, state.at_ms, above=above, since_ms=since_ms, due_ms=due_ms), ()
    known = due_ms - state.at_ms <= stale_after_ms if due_ms > state.at_ms else fresh
    if not known:
        return BinFullState(fill_percent, state.at_ms, above=above), ()
    return _full(fill_percent, state.at_ms, decided_ms=at_ms)


def _rise(
    parameters: BinFullParameters, above: int, since_ms: int, fill_percent: float, at_ms: int
) -> tuple[BinFullState, tuple[Effect, ...]]:
    if above < parameters.confirm_readings:
        return BinFullState(fill_percent, at_ms, above=above, since_ms=since_ms), ()
    due_ms = since_ms + int(parameters.hold_s * 1000)
    if at_ms < due_ms:
        return BinFullState(fill_percent, at_ms, above=above, since_ms=since_ms, due_ms=due_ms), ()
    return _full(fill_percent, at_ms, decided_ms=at_ms)


def _full(fill_percent: float, at_ms: int, *, decided_ms: int) -> tuple[BinFullState, tuple[Effect, ...]]:
    raised = Raised(FaultCode.BIN_FULL, RuleReason.THRESHOLD_REACHED, decided_ms, fill_percent)
    return BinFullState(fill_percent, at_ms, full=True), (raised,)


def _empty(fill_percent: float, at_ms: int, *, decided_ms: int) -> tuple[BinFullState, tuple[Effect, ...]]:
    reason = RuleReason.BELOW_LEAVE_THRESHOLD
    return BinFullState(fill_percent, at_ms), (
        Cleared(FaultCode.BIN_FULL, reason, decided_ms, fill_percent),
        Proven(FaultCode.BIN_FULL, reason, decided_ms, fill_percent),
    )


def _stale_after_ms(parameters: BinFullParameters, interval_ms: int | None) -> int:
    """Return how long a reading speaks for its bin; where no interval is expected nothing is missed: through a hold."""
    if interval_ms is None:
        return max(STALE_AFTER_MS, int(parameters.hold_s * 1000))
    return max(STALE_AFTER_MS, STALE_INTERVALS * interval_ms)
