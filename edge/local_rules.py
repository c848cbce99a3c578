"""Pure: what the edge decides without the hub: what a caller is shown (`wire.md` §4), and when a local output is on.

The thresholds mean what they mean in the hub's rules. Times are milliseconds of uptime.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

UNSENT_FAILS_MS: Final = 10_000
"""Without *sent* for this long the caller must know that nobody has heard of it yet."""
STALE_AFTER_MS: Final = 300_000
"""A reading speaks for at least this long ..."""
STALE_INTERVALS: Final = 3
"""... and for this many intervals of its device; what comes later leaves a gap, and a gap is unknown, never "full"."""
DARK_SHARE: Final = 0.1
"""Below this share of its expected power a lamp is dark."""
DARK_WATT: Final = 1.0
"""The same border where no rated power is known, in watts."""
LEVEL_STEP_PERCENT: Final = 10.0
"""A commanded level that moved by this much is a switch to settle from; less is dimming."""


class CallShown(StrEnum):
    """What is shown about a call; the values are the drivers' stages."""

    STORED = "stored"
    SENT = "sent"
    HEARD = "heard"
    ON_THE_WAY = "on_the_way"
    FAILED = "failed"
    CLEARED = "cleared"


def shown(
    *, sent: bool, heard: bool, coming: bool, closed: bool, waited_ms: int | None, stored: bool = True
) -> CallShown:
    """Return what to show of a call that has waited `waited_ms` (None: since before this boot) for *sent*."""
    if closed:
        return CallShown.CLEARED
    if coming:
        return CallShown.ON_THE_WAY
    if heard:
        return CallShown.HEARD
    if sent:
        return CallShown.SENT
    if not stored or waited_ms is None or waited_ms >= UNSENT_FAILS_MS:
        return CallShown.FAILED
    return CallShown.STORED


class LocalReason(StrEnum):
    """Why a local output is on or off; stored with it."""

    NOTHING_YET = "nothing_yet"
    THRESHOLD_REACHED = "threshold_reached"
    BELOW_LEAVE_THRESHOLD = "below_leave_threshold"
    NO_POWER_WHILE_ON = "no_power_while_on"
    DRAWS_POWER_AGAIN = "draws_power_again"
    CALL_UNANSWERED = "call_unanswered"
    CALL_WAITS = "call_waits"
    """The call is younger than the rule's `after_s`."""
    CALL_SENT = "call_sent"
    CALL_HEARD = "call_heard"
    CALL_CLOSED = "call_closed"
    SOUNDED_LONGEST = "sounded_longest"
    """The output was on for `longest_s`; the call itself goes on."""


class SosUntil(StrEnum):
    """What ends the sounding for a call."""

    SENT = "sent"
    """The hub has it: the siren is for the time without a hub."""
    HEARD = "heard"
    """A person has answered it."""


@dataclass(frozen=True, slots=True)
class SosRule:
    """On for a call that is `after_s` old, until the hub says `until`, or it is closed, `longest_s` at most."""

    after_s: float = 0.0
    until: SosUntil = SosUntil.HEARD
    longest_s: float = 300.0


@dataclass(frozen=True, slots=True)
class BinFullRule:
    """Full at `enter_percent` and above, `confirm_readings` times and for `hold_s`; empty below `leave_percent`."""

    enter_percent: float = 80.0
    leave_percent: float = 60.0
    confirm_readings: int = 2
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LampFailureRule:
    """Dark while commanded on, in `confirm_readings` readings that are not within `settle_s` of a switch."""

    confirm_readings: int = 2
    settle_s: float = 120.0
    rated_power_w: float | None = None


LocalRule = SosRule | BinFullRule | LampFailureRule


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of one device, and why since when; `value` is the reading that decided."""

    on: bool = False
    reason: LocalReason = LocalReason.NOTHING_YET
    value: float | None = None


@dataclass(frozen=True, slots=True)
class BinState:
    """What is remembered of a bin: the verdict, the newest reading, and the run of full ones that leads up to it."""

    verdict: Verdict = Verdict()
    at_ms: int = 0
    fill_percent: float = 0.0
    above: int = 0
    since_ms: int | None = None


def judge_bin(rule: BinFullRule, state: BinState, fill_percent: float, *, at_ms: int, interval_s: float) -> BinState:
    """Return the state after a reading; the first value inside the band is not full, and there nothing changes."""
    seen = replace(state, at_ms=at_ms, fill_percent=fill_percent)
    if state.verdict.on:
        if fill_percent >= rule.leave_percent:
            return seen
        off = Verdict(on=False, reason=LocalReason.BELOW_LEAVE_THRESHOLD, value=fill_percent)
        return BinState(off, at_ms, fill_percent)
    if fill_percent < rule.enter_percent:
        return replace(seen, above=0, since_ms=None)
    unbroken = state.since_ms is not None and at_ms - state.at_ms <= _stale_after_ms(interval_s)
    seen = replace(seen, above=state.above + 1, since_ms=state.since_ms if unbroken else at_ms)
    return _if_held(rule, seen, at_ms=at_ms)


def recheck_bin(rule: BinFullRule, state: BinState, *, at_ms: int, interval_s: float) -> BinState:
    """Return the state when time has passed without a reading: a hold may be over, or broken by a gap."""
    if state.verdict.on or state.since_ms is None or state.above < rule.confirm_readings:
        return state
    due_ms = state.since_ms + int(rule.hold_s * 1_000)
    if at_ms < due_ms:
        return state
    if due_ms - state.at_ms > _stale_after_ms(interval_s):
        return replace(state, since_ms=None)
    return _if_held(rule, state, at_ms=at_ms)


@dataclass(frozen=True, slots=True)
class LampState:
    """What is remembered of a lamp: the verdict, dark readings in a row, the commanded level and its last switch."""

    verdict: Verdict = Verdict()
    doubts: int = 0
    level_percent: float | None = None
    switched_ms: int | None = None


def judge_lamp(
    rule: LampFailureRule, state: LampState, power_w: float, *, commanded_percent: float | None, at_ms: int
) -> LampState:
    """Return the state after a reading; without a command nothing is expected, and nothing is said."""
    if commanded_percent is None:
        return state
    if _is_switch(state.level_percent, commanded_percent):
        switched_ms = state.switched_ms if state.level_percent is None else at_ms
        state = replace(state, level_percent=commanded_percent, switched_ms=switched_ms)
    settling = state.switched_ms is not None and at_ms - state.switched_ms < int(rule.settle_s * 1_000)
    if commanded_percent <= 0 or settling:
        return state
    if power_w >= _border_w(rule, commanded_percent):
        off = Verdict(on=False, reason=LocalReason.DRAWS_POWER_AGAIN, value=power_w)
        return replace(state, doubts=0, verdict=off if state.verdict.on else state.verdict)
    if state.verdict.on:
        return state
    if state.doubts + 1 < rule.confirm_readings:
        return replace(state, doubts=state.doubts + 1)
    return replace(state, doubts=0, verdict=Verdict(on=True, reason=LocalReason.NO_POWER_WHILE_ON, value=power_w))


def judge_call(rule: SosRule, *, sent: bool, heard: bool, waited_ms: int) -> Verdict:
    """Return whether an open call that has waited `waited_ms` sounds; closed calls are not asked about."""
    if heard:
        return Verdict(on=False, reason=LocalReason.CALL_HEARD)
    if sent and rule.until is SosUntil.SENT:
        return Verdict(on=False, reason=LocalReason.CALL_SENT)
    if waited_ms < int(rule.after_s * 1_000):
        return Verdict(on=False, reason=LocalReason.CALL_WAITS)
    if waited_ms >= int((rule.after_s + rule.longest_s) * 1_000):
        return Verdict(on=False, reason=LocalReason.SOUNDED_LONGEST)
    return Verdict(on=True, reason=LocalReason.CALL_UNANSWERED)


def _if_held(rule: BinFullRule, state: BinState, *, at_ms: int) -> BinState:
    """Turn on what is confirmed and has been full for the hold time."""
    if state.above < rule.confirm_readings or state.since_ms is None:
        return state
    if at_ms - state.since_ms < int(rule.hold_s * 1_000):
        return state
    on = Verdict(on=True, reason=LocalReason.THRESHOLD_REACHED, value=state.fill_percent)
    return BinState(on, state.at_ms, state.fill_percent)


def _stale_after_ms(interval_s: float) -> int:
    return max(STALE_AFTER_MS, STALE_INTERVALS * int(interval_s * 1_000))


def _is_switch(level_percent: float | None, commanded_percent: float) -> bool:
    """Tell whether the command begins a new level: the first, on or off, or a step."""
    if level_percent is None:
        return True
    return (level_percent > 0) is not (commanded_percent > 0) or (
        abs(commanded_percent - level_percent) >= LEVEL_STEP_PERCENT
    )


def _border_w(rule: LampFailureRule, commanded_percent: float) -> float:
    """Return the power in watts that parts dark from burning at this level."""
    if rule.rated_power_w is None:
        return DARK_WATT
    return rule.rated_power_w * commanded_percent / 100.0 * DARK_SHARE
