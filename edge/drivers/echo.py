"""Pure: what one burst of pings, or of distances, says about the level of a bin, as the sample the agent gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge.calibration import Level, LevelState, Unusable, level_at
from edge.drivers.driver import Fault, FaultReason, Measurement, Sample
from edge.filtering import Burst, BurstFault, FreezeState, reduce_burst, watch_freeze
from protocols.fill_level import REFERENCE_TEMPERATURE_C, Geometry, distance_mm

MAX_SPREAD_MM: Final = 50.0
"""A burst whose samples differ by more is refused (`domain.md` §1.1)."""
SATURATED_QUALITY: Final = 50
"""Of a level that was concluded from a lost target, not measured."""
ASSUMED_TEMPERATURE_FACTOR: Final = 0.9
"""Quality without a thermometer: between -10 and 40 °C the distance may be 5 % off."""


class PingFault(StrEnum):
    """Why a ping has no echo time."""

    NEVER_ROSE = "never_rose"
    STUCK_HIGH = "stuck_high"
    NO_TARGET = "no_target"


Ping = float | PingFault
"""Seconds there and back, or why there are none."""


@dataclass(frozen=True, slots=True)
class EchoRule:
    """The bin's geometry, the sensor's range, and how many bursts of one and the same echo mean a frozen sensor.

    `frozen_after` is None for a sensor whose words are proof enough that it lives.
    """

    geometry: Geometry
    max_range_mm: float
    frozen_after: int | None = None


@dataclass(frozen=True, slots=True)
class EchoState:
    """What the last bursts left behind."""

    level: LevelState = field(default_factory=LevelState)
    freeze: FreezeState = field(default_factory=FreezeState)


_FAULTS: Final = {
    Unusable.NO_TARGET: FaultReason.NO_ECHO,
    Unusable.BEYOND_BOTTOM: FaultReason.OUT_OF_RANGE,
    Unusable.UNCONFIRMED: FaultReason.UNSTABLE,
}
_DETAILS: Final = {
    Unusable.NO_TARGET: "too few pings came back",
    Unusable.BEYOND_BOTTOM: "further than the bottom of the bin: lid open, sensor moved, or wrong empty_mm",
    Unusable.UNCONFIRMED: "seems emptied; the next reading decides",
}


def judge(
    rule: EchoRule, state: EchoState, pings: Sequence[Ping], *, temperature_c: float | None
) -> tuple[EchoState, Sample]:
    """Return the next state and the sample of one burst; without a temperature that of `protocols` is assumed.

    A line that does not move is broken wiring and never a full bin.
    """
    broken = _broken_line(pings)
    if broken is not None:
        return state, broken
    assumed_c = REFERENCE_TEMPERATURE_C if temperature_c is None else temperature_c
    echoes = [ping for ping in pings if not isinstance(ping, PingFault)]
    if rule.frozen_after is not None:
        freeze, frozen = watch_freeze(state.freeze, echoes, after_bursts=rule.frozen_after)
        state = EchoState(state.level, freeze)
        if frozen:
            return state, Fault(FaultReason.FROZEN, f"the same echo {freeze.bursts} bursts long")
    distances = [None if isinstance(ping, PingFault) else distance_mm(ping, assumed_c) for ping in pings]
    return judge_distances(rule, state, distances, temperature_c=temperature_c, corrected=temperature_c is not None)


def judge_distances(
    rule: EchoRule,
    state: EchoState,
    distances: Sequence[float | None],
    *,
    temperature_c: float | None,
    corrected: bool,
) -> tuple[EchoState, Sample]:
    """Return the next state and the sample of one burst of distances in mm (None: nothing was seen).

    `corrected` says that they hold at the air's temperature. A target that is lost after the bin was nearly full is one
    that is too near to be seen.
    """
    in_range = [one if one is not None and one <= rule.max_range_mm else None for one in distances]
    burst = reduce_burst(in_range, max_spread=MAX_SPREAD_MM)
    measured_mm = burst.median if isinstance(burst, Burst) else None
    level_state, level = level_at(state.level, measured_mm, geometry=rule.geometry)
    sample = _sample(level, burst, temperature_c=temperature_c, corrected=corrected)
    return EchoState(level_state, state.freeze), sample


def _broken_line(pings: Sequence[Ping]) -> Fault | None:
    for fault, detail in (
        (PingFault.NEVER_ROSE, "the echo line never rose: check power and wiring"),
        (PingFault.STUCK_HIGH, "the echo line stays high: check wiring, switch the sensor off and on"),
    ):
        if 2 * pings.count(fault) > len(pings):
            return Fault(FaultReason.SENSOR_FAULT, detail)
    return None


def _sample(
    level: Level | Unusable, burst: Burst | BurstFault, *, temperature_c: float | None, corrected: bool
) -> Sample:
    if isinstance(level, Unusable):
        if burst is BurstFault.UNSTABLE:
            return Fault(FaultReason.UNSTABLE, f"the pings differ by more than {MAX_SPREAD_MM:g} mm")
        return Fault(_FAULTS[level], _DETAILS[level])
    values = {"fill_percent": round(level.fill_percent, 2)}
    if level.distance_mm is not None:
        values["distance_mm"] = round(level.distance_mm, 1)
    quality = float(burst.quality) if isinstance(burst, Burst) and not level.saturated else float(SATURATED_QUALITY)
    if not corrected:
        quality *= ASSUMED_TEMPERATURE_FACTOR
    if temperature_c is not None:
        values["temperature_c"] = temperature_c
    return Measurement(values=values, quality=round(quality))
