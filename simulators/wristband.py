"""An elder's wristband: vitals that follow the day, motion, charging, presses and falls with their cancellations."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from random import Random
from typing import Final

from protocols.events import EventName
from simulators.observation import Fact, FactName, Measurement, Occurrence, Outcome

_CHARGE_BELOW_PERCENT: Final = 15.0
_CHARGED_PERCENT: Final = 95.0
_CHARGE_PERCENT_PER_H: Final = 45.0
_CANCEL_AFTER_S: Final = (15.0, 30.0)
"""A wearer who is fine cancels within this span (the usual cancel window of wristbands)."""
_AMBIENT_C: Final = 23.0


@dataclass(frozen=True, slots=True)
class WristbandSpec:
    """What stays the same about a wearer: the resting heart, and how often they press the button and fall."""

    local: tzinfo
    resting_bpm: float = 66.0
    presses_per_day: float = 0.0
    falls_per_day: float = 0.0
    cancelled_share: float = 0.3
    battery_percent_per_day: float = 25.0


@dataclass(frozen=True, slots=True)
class WristbandState:
    """A wristband at one instant; `cancel` is the cancellation that is still to come, with its number."""

    spec: WristbandSpec
    at: datetime
    battery_percent: float = 100.0
    worn: bool = True
    occurrences: int = 0
    cancel: tuple[datetime, EventName, int] | None = None


def step(state: WristbandState, at: datetime, rng: Random) -> tuple[WristbandState, Outcome]:
    """Let the wearer live until `at` and read the band."""
    span = max(timedelta(0), at - state.at)
    state, power = _charged(replace(state, at=at), span)
    state, cancelled = _cancelled(state)
    state, suffered = _suffered(state, span, rng)
    observed = (*cancelled.observed, *suffered.observed, _measure(state, rng))
    return state, Outcome(observed, (*power.facts, *cancelled.facts, *suffered.facts))


def press(state: WristbandState) -> tuple[WristbandState, Outcome]:
    """Press the SOS button."""
    number = state.occurrences + 1
    pressed = replace(state, occurrences=number)
    return pressed, Outcome((Occurrence(EventName.SOS_PRESSED, number),), (Fact(FactName.PRESSED, {"number": number}),))


def fall(state: WristbandState) -> tuple[WristbandState, Outcome]:
    """Fall so that the band notices."""
    number = state.occurrences + 1
    fallen = replace(state, occurrences=number)
    return fallen, Outcome((Occurrence(EventName.FALL_DETECTED, number),), (Fact(FactName.FELL, {"number": number}),))


def _suffered(state: WristbandState, span: timedelta, rng: Random) -> tuple[WristbandState, Outcome]:
    """Press or fall by chance; a wearer who is fine will cancel a little later."""
    days = span / timedelta(days=1)
    pressed = rng.random() < 1 - math.exp(-state.spec.presses_per_day * days)
    fallen = rng.random() < 1 - math.exp(-state.spec.falls_per_day * days)
    cancels = rng.random() < state.spec.cancelled_share
    delay = timedelta(seconds=rng.uniform(*_CANCEL_AFTER_S))
    if not state.worn or not (pressed or fallen):
        return state, Outcome()
    state, outcome = press(state) if pressed else fall(state)
    if cancels:
        event = EventName.SOS_CANCELLED if pressed else EventName.FALL_CANCELLED
        state = replace(state, cancel=(state.at + delay, event, state.occurrences))
    return state, outcome


def _cancelled(state: WristbandState) -> tuple[WristbandState, Outcome]:
    if state.cancel is None or state.at < state.cancel[0]:
        return state, Outcome()
    _, event, number = state.cancel
    name = FactName.CANCELLED if event is EventName.SOS_CANCELLED else FactName.FALL_CANCELLED
    return replace(state, cancel=None), Outcome((Occurrence(event, number),), (Fact(name, {"number": number}),))


def _charged(state: WristbandState, span: timedelta) -> tuple[WristbandState, Outcome]:
    """Drain or charge the battery; the band is taken off to be charged and put on again when it is full."""
    if state.worn:
        battery = max(0.0, state.battery_percent - state.spec.battery_percent_per_day * (span / timedelta(days=1)))
        if battery >= _CHARGE_BELOW_PERCENT:
            return replace(state, battery_percent=battery), Outcome()
        fact = Fact(FactName.TAKEN_OFF, {"battery_percent": round(battery, 1)})
        return replace(state, battery_percent=battery, worn=False), Outcome(facts=(fact,))
    battery = min(100.0, state.battery_percent + _CHARGE_PERCENT_PER_H * (span / timedelta(hours=1)))
    if battery < _CHARGED_PERCENT:
        return replace(state, battery_percent=battery), Outcome()
    fact = Fact(FactName.PUT_ON, {"battery_percent": round(battery, 1)})
    return replace(state, battery_percent=battery, worn=True), Outcome(facts=(fact,))


def _measure(state: WristbandState, rng: Random) -> Measurement:
    if not state.worn:
        return _unworn(state, rng)
    local = state.at.astimezone(state.spec.local)
    hour = local.hour + local.minute / 60
    asleep = hour >= 22 or hour < 6
    activity = rng.uniform(0.0, 0.03) if asleep else min(1.0, rng.expovariate(4.0))
    resting = state.spec.resting_bpm - (6.0 if asleep else 0.0)
    values: dict[str, float | bool] = {
        "heart_rate_bpm": round(max(40.0, resting + 45.0 * activity + rng.gauss(0.0, 2.0))),
        "spo2_percent": round(min(100.0, rng.gauss(97.0, 0.8)), 1),
        "respiration_per_min": round(max(8.0, 14.0 + 10.0 * activity + rng.gauss(0.0, 1.0)), 1),
        "skin_temperature_c": round(rng.gauss(33.5 if asleep else 32.5, 0.3), 1),
        "worn": True,
        "contact": True,
        "confidence_percent": round(max(20.0, 98.0 - 60.0 * activity)),
        "motion_mg": round(20.0 + 900.0 * activity),
        "battery_percent": round(state.battery_percent, 1),
    }
    return Measurement("vitals", values, quality=90)


def _unworn(state: WristbandState, rng: Random) -> Measurement:
    """An optical sensor on a table still finds a plausible pulse: no contact, no motion and no trust go with it."""
    values: dict[str, float | bool] = {
        "heart_rate_bpm": round(rng.uniform(55.0, 110.0)),
        "skin_temperature_c": round(rng.gauss(_AMBIENT_C, 0.2), 1),
        "worn": False,
        "contact": False,
        "confidence_percent": round(rng.uniform(0.0, 15.0)),
        "motion_mg": 0,
        "battery_percent": round(state.battery_percent, 1),
    }
    return Measurement("vitals", values, quality=10)
