"""A streetlight: commanded by the sun, dimmed late at night, failing as lamps do, read by its power."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from random import Random
from typing import Final

from simulators.observation import Fact, FactName, Measurement, Outcome
from simulators.sun import elevation_deg, is_dark

_STANDBY_W: Final = 0.4
_DIM_FROM_H: Final = 23
_DIM_UNTIL_H: Final = 5
_DIM_PERCENT: Final = 60.0
_CYCLE: Final = timedelta(minutes=5)
"""A cycling lamp is lit and dark in turn for so long."""


class LampFault(StrEnum):
    """What is wrong with a lamp; the names are the field's fault codes in short."""

    LAMP_FAILURE = "lamp_failure"
    """Dark while it should burn."""
    DAY_BURNER = "day_burner"
    """Burns while it should be dark."""
    CYCLING = "cycling"
    """Goes off and on again while it should burn."""


_FAULT_WEIGHTS: Final = {LampFault.LAMP_FAILURE: 6, LampFault.DAY_BURNER: 3, LampFault.CYCLING: 1}


@dataclass(frozen=True, slots=True)
class StreetlightSpec:
    """What stays the same about a lamp: its place, what it draws, how often it fails and how long repair takes."""

    latitude_deg: float
    longitude_deg: float
    local: tzinfo
    rated_power_w: float = 60.0
    days_between_faults: float = math.inf
    repaired_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class StreetlightState:
    """A lamp at one instant."""

    spec: StreetlightSpec
    at: datetime
    fault: LampFault | None = None
    fault_since: datetime | None = None
    energy_wh: float = 0.0
    burn_hours: float = 0.0


def step(state: StreetlightState, at: datetime, rng: Random) -> tuple[StreetlightState, Outcome]:
    """Let the lamp live until `at` and read it."""
    state, facts = _aged(state, at, rng)
    measurement, power_w = _measure(state, at, rng)
    hours = max(0.0, (at - state.at) / timedelta(hours=1))
    burning = power_w > state.spec.rated_power_w * 0.1
    state = replace(
        state,
        at=at,
        energy_wh=state.energy_wh + power_w * hours,
        burn_hours=state.burn_hours + (hours if burning else 0.0),
    )
    return state, Outcome((measurement,), facts)


def commanded_percent(spec: StreetlightSpec, at: datetime) -> float:
    """Return the dim level its controller asks for: 100 from dusk, 60 late at night, 0 by day."""
    if not is_dark(at, latitude_deg=spec.latitude_deg, longitude_deg=spec.longitude_deg):
        return 0.0
    hour = at.astimezone(spec.local).hour
    return _DIM_PERCENT if hour >= _DIM_FROM_H or hour < _DIM_UNTIL_H else 100.0


def fail(state: StreetlightState, fault: LampFault) -> tuple[StreetlightState, Outcome]:
    """Break the lamp in the given way."""
    fact = Fact(FactName.LAMP_FAILED, {"fault": fault.value})
    return replace(state, fault=fault, fault_since=state.at), Outcome(facts=(fact,))


def repair(state: StreetlightState) -> tuple[StreetlightState, Outcome]:
    """Make the lamp whole again; nothing happens to one that is."""
    if state.fault is None:
        return state, Outcome()
    fact = Fact(FactName.LAMP_REPAIRED, {"fault": state.fault.value})
    return replace(state, fault=None, fault_since=None), Outcome(facts=(fact,))


def _aged(state: StreetlightState, at: datetime, rng: Random) -> tuple[StreetlightState, tuple[Fact, ...]]:
    """Let a whole lamp fail by chance, and a broken one be repaired after its wait; `at` of the state stays."""
    if state.fault is None:
        days = max(0.0, (at - state.at) / timedelta(days=1))
        if rng.random() >= 1 - math.exp(-days / state.spec.days_between_faults):
            return state, ()
        fault = rng.choices(list(_FAULT_WEIGHTS), weights=list(_FAULT_WEIGHTS.values()))[0]
        failed, outcome = fail(state, fault)
        return replace(failed, fault_since=at), outcome.facts
    wait = state.spec.repaired_after
    if wait is None or state.fault_since is None or at - state.fault_since < wait:
        return state, ()
    repaired, outcome = repair(state)
    return repaired, outcome.facts


def _measure(state: StreetlightState, at: datetime, rng: Random) -> tuple[Measurement, float]:
    spec = state.spec
    commanded = commanded_percent(spec, at)
    light_percent = _light_percent(state, at, commanded)
    power = _STANDBY_W + spec.rated_power_w * light_percent / 100 * rng.uniform(0.97, 1.03)
    voltage = rng.gauss(229.0, 1.5)
    factor = 0.95 - 0.15 * (1 - light_percent / 100) if light_percent > 0 else 0.3
    sun = elevation_deg(at, latitude_deg=spec.latitude_deg, longitude_deg=spec.longitude_deg)
    daylight = 400.0 * math.exp(sun / 6) if sun < 0 else 400.0 + 1_000.0 * sun
    values: dict[str, float | bool] = {
        "power_w": round(power, 2),
        "commanded_percent": commanded,
        "on": light_percent > 0,
        "voltage_v": round(voltage, 1),
        "current_a": round(power / voltage / factor, 3),
        "power_factor": round(factor, 2),
        "energy_wh": round(state.energy_wh, 1),
        "burn_hours": round(state.burn_hours, 2),
        "illuminance_lux": round(daylight, 1),
    }
    return Measurement("lamp", values, quality=95), power


def _light_percent(state: StreetlightState, at: datetime, commanded: float) -> float:
    match state.fault:
        case None:
            return commanded
        case LampFault.LAMP_FAILURE:
            return 0.0
        case LampFault.DAY_BURNER:
            return commanded or 100.0
        case LampFault.CYCLING:
            since = state.fault_since or at
            return commanded if (at - since) // _CYCLE % 2 else 0.0
