"""Pure: when to read a sensor next, and whether what it said is worth a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import floor
from typing import Final

Values = Mapping[str, float | bool]

WATCHED: Final[Mapping[str, Mapping[str, float]]] = {"fill_level": {"fill_percent": 80.0}}
"""Kind → metric → level whose upward crossing is confirmed at once; binFull begins at 80 % (`rest.md` §3)."""


class ReportReason(StrEnum):
    """Why a sample became a record, or did not."""

    EVERY_SAMPLE = "every_sample"
    FIRST = "first"
    CROSSED = "crossed"
    CONFIRMATION = "confirmation"
    CHANGED = "changed"
    SILENT_TOO_LONG = "silent_too_long"
    UNCHANGED = "unchanged"
    NO_VALUE = "no_value"


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How one device is sampled.

    `interval_s` between samples; `watch` names levels whose upward crossing asks for one more sample `recheck_s` later;
    `dead_band` (metric → least change worth a record) empty means that every sample is reported; with a dead band a
    record is due after `max_silence_s` at the latest.
    """

    interval_s: float
    watch: Mapping[str, float] = field(default_factory=dict[str, float])
    recheck_s: float = 1.0
    dead_band: Mapping[str, float] = field(default_factory=dict[str, float])
    max_silence_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that would never sample, or never report."""
        if self.interval_s <= 0 or self.recheck_s < 0 or (self.max_silence_s is not None and self.max_silence_s <= 0):
            raise ValueError("intervals must be positive")
        if any(change < 0 for change in self.dead_band.values()):
            raise ValueError("a dead band cannot be negative")


@dataclass(frozen=True, slots=True)
class SamplingState:
    """When the next sample is due, on which grid, and what was seen and reported last (times in monotonic seconds)."""

    due_s: float
    grid_s: float
    confirming: bool = False
    seen: Values | None = None
    reported: Values | None = None
    reported_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to record the sample, and why."""

    report: bool
    reason: ReportReason


def start(plan: SamplingPlan, *, at_s: float, phase_s: float = 0.0) -> SamplingState:
    """Return the state of a device first due `phase_s` after `at_s` (spreads devices over the interval)."""
    due_s = at_s + phase_s % plan.interval_s
    return SamplingState(due_s=due_s, grid_s=due_s)


def is_due(state: SamplingState, *, at_s: float) -> bool:
    """Whether the sensor should be read now."""
    return at_s >= state.due_s


def take(
    plan: SamplingPlan, state: SamplingState, values: Values | None, *, at_s: float
) -> tuple[SamplingState, Decision]:
    """Return the next state and what to do with a sample taken at `at_s` (None: the sensor gave no value).

    Samples keep to the grid of the interval: a late one moves no later one, and missed ones are skipped.
    """
    grid_s = _next_grid(state.grid_s, plan.interval_s, at_s)
    if values is None:
        silent = SamplingState(
            due_s=grid_s, grid_s=grid_s, seen=state.seen, reported=state.reported, reported_s=state.reported_s
        )
        return silent, Decision(report=False, reason=ReportReason.NO_VALUE)
    decision = _decide(plan, state, values, at_s)
    crossed_up = _crossed_up(plan, state.seen, values)
    due_s = min(grid_s, at_s + plan.recheck_s) if crossed_up else grid_s
    following = SamplingState(
        due_s=due_s,
        grid_s=grid_s,
        confirming=crossed_up,
        seen=values,
        reported=values if decision.report else state.reported,
        reported_s=at_s if decision.report else state.reported_s,
    )
    return following, decision


def _decide(plan: SamplingPlan, state: SamplingState, values: Values, at_s: float) -> Decision:
    if not plan.dead_band:
        return Decision(report=True, reason=ReportReason.EVERY_SAMPLE)
    if state.reported is None or state.reported_s is None:
        return Decision(report=True, reason=ReportReason.FIRST)
    if any(_side(plan, state.seen, metric) != _side(plan, values, metric) for metric in plan.watch):
        return Decision(report=True, reason=ReportReason.CROSSED)
    if state.confirming:
        return Decision(report=True, reason=ReportReason.CONFIRMATION)
    if _changed(plan, state.reported, values):
        return Decision(report=True, reason=ReportReason.CHANGED)
    if plan.max_silence_s is not None and at_s - state.reported_s >= plan.max_silence_s:
        return Decision(report=True, reason=ReportReason.SILENT_TOO_LONG)
    return Decision(report=False, reason=ReportReason.UNCHANGED)


def _changed(plan: SamplingPlan, reported: Values, values: Values) -> bool:
    """Whether a value left its dead band; a flag, or a metric without a band, changes with any difference."""
    if reported.keys() != values.keys():
        return True
    for metric, value in values.items():
        band = plan.dead_band.get(metric)
        if band is None:
            # Metrics without a band ride along (temperature, battery): only flags of theirs matter.
            if isinstance(value, bool) and value != reported[metric]:
                return True
        elif value != reported[metric] and abs(value - reported[metric]) >= band:
            return True
    return False


def _crossed_up(plan: SamplingPlan, seen: Values | None, values: Values) -> bool:
    """Whether a watched metric has reached its level and was not there before; a first sample there counts too."""
    return any(_side(plan, values, metric) is True and _side(plan, seen, metric) is not True for metric in plan.watch)


def _side(plan: SamplingPlan, values: Values | None, metric: str) -> bool | None:
    if values is None or metric not in values:
        return None
    return values[metric] >= plan.watch[metric]


def _next_grid(grid_s: float, interval_s: float, at_s: float) -> float:
    if at_s < grid_s:
        return grid_s
    following_s = grid_s + interval_s * (floor((at_s - grid_s) / interval_s) + 1)
    # Rounding may put the next point of the grid on this very instant, and one instant is sampled once.
    return following_s if following_s > at_s else following_s + interval_s
