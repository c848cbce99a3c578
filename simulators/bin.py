"""A bin: fills with the hours of the day, is collected on demand or by schedule, and is read by ultrasound."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from random import Random
from typing import Final

from protocols.events import EventName
from protocols.fill_level import Geometry, fill_percent
from simulators.observation import Fact, FactName, Measurement, Occurrence, Outcome

FULL_PERCENT: Final = 80.0
"""From here on a bin counts as full (founding document: at 80 % the sanitation department is called)."""
BATTERY_LOW_PERCENT: Final = 20.0
_HEAPED_PERCENT: Final = 120.0
"""Rubbish piles up over the rim this far and then falls beside the bin."""
_BLIND_AFTER_PERCENT: Final = 85.0
"""A sensor that loses its echo after having read this much is saturated, not broken."""
_JUMP_RATE: Final = 0.01
"""Share of readings that jump by 100-200 mm, as ultrasonic sensors in the field do."""
_FAR_ECHO_RATE: Final = 0.05
"""Share of readings inside the blind zone that return a random far echo."""
_HOURLY_SHARE: Final = tuple(
    tenths / 10 for tenths in (2, 1, 1, 1, 2, 5, 11, 19, 17, 13, 10, 11, 13, 11, 9, 9, 11, 15, 19, 20, 16, 12, 8, 4)
)
"""How busy each local hour is; the mean is 1."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the truck comes: local hours on the given weekdays (Monday is 0), and how often it does not come."""

    hours: tuple[float, ...]
    weekdays: frozenset[int] = frozenset(range(7))
    missed_rate: float = 0.05


@dataclass(frozen=True, slots=True)
class BinSpec:
    """What stays the same about a bin and its sensor."""

    geometry: Geometry
    local: tzinfo
    fill_percent_per_day: float
    schedule: Schedule | None = None
    noise_mm: float = 8.0
    mean_temperature_c: float = 18.0
    battery_percent_per_day: float = 0.05


@dataclass(frozen=True, slots=True)
class BinState:
    """A bin at one instant: how full it really is, and what its sensor last made of it."""

    spec: BinSpec
    at: datetime
    fill_percent: float = 0.0
    battery_percent: float = 100.0
    reported_percent: float = 0.0
    openings: int = 0


def step(state: BinState, at: datetime, rng: Random) -> tuple[BinState, Outcome]:
    """Let the bin live until `at` and read its sensor."""
    state, collected = _lived_until(state, at, rng)
    measurement = _measure(state, rng)
    if measurement is not None:
        state = replace(state, reported_percent=measurement.values["fill_percent"])
    observed = collected.observed if measurement is None else (*collected.observed, measurement)
    return state, Outcome(observed, collected.facts)


def collect(state: BinState, rng: Random, *, by: str = "crew") -> tuple[BinState, Outcome]:
    """Empty the bin; a little stays at the bottom. The lid tells that it was opened and closed."""
    before = state.fill_percent
    opening = state.openings + 1
    left = rng.uniform(0.0, 5.0)
    emptied = replace(state, fill_percent=left, openings=opening)
    lid = (Occurrence(EventName.LID_OPENED, opening), Occurrence(EventName.LID_CLOSED, opening))
    fact = Fact(FactName.COLLECTED, {"by": by, "before_percent": round(before, 1), "after_percent": round(left, 1)})
    return emptied, Outcome(lid, (fact,))


def pour(state: BinState, percent: float) -> tuple[BinState, Outcome]:
    """Throw in so many percent of the bin's volume at once."""
    return _raised_to(state, state.fill_percent + percent)


def replace_battery(state: BinState) -> tuple[BinState, Outcome]:
    """Put a new battery into the sensor."""
    fact = Fact(FactName.BATTERY_REPLACED, {"before_percent": round(state.battery_percent, 1)})
    return replace(state, battery_percent=100.0), Outcome(facts=(fact,))


def _lived_until(state: BinState, at: datetime, rng: Random) -> tuple[BinState, Outcome]:
    """Fill and collect in pieces of at most an hour, so that a long step sees the day's profile."""
    observed: list[Measurement | Occurrence] = []
    facts: list[Fact] = []
    days = max(0.0, (at - state.at) / timedelta(days=1))
    while state.at < at:
        until = min(at, state.at + timedelta(hours=1))
        steps = [_filled_until(state, until, rng)]
        steps.append(_collected_between(steps[0][0], state.at, until, rng))
        state = replace(steps[-1][0], at=until)
        for _, outcome in steps:
            observed.extend(outcome.observed)
            facts.extend(outcome.facts)
    battery = max(0.0, state.battery_percent - days * state.spec.battery_percent_per_day)
    if battery <= BATTERY_LOW_PERCENT < state.battery_percent:
        facts.append(Fact(FactName.BATTERY_LOW, {"battery_percent": round(battery, 1)}))
    return replace(state, battery_percent=battery), Outcome(tuple(observed), tuple(facts))


def _filled_until(state: BinState, until: datetime, rng: Random) -> tuple[BinState, Outcome]:
    hours = (until - state.at) / timedelta(hours=1)
    share = _HOURLY_SHARE[state.at.astimezone(state.spec.local).hour]
    rate = state.spec.fill_percent_per_day / 24 * share
    return _raised_to(state, state.fill_percent + rate * hours * rng.gammavariate(2.0, 0.5))


def _raised_to(state: BinState, percent: float) -> tuple[BinState, Outcome]:
    after = min(_HEAPED_PERCENT, percent)
    filled = replace(state, fill_percent=after)
    if state.fill_percent < FULL_PERCENT <= after:
        return filled, Outcome(facts=(Fact(FactName.BECAME_FULL, {"fill_percent": round(after, 1)}),))
    return filled, Outcome()


def _collected_between(state: BinState, after: datetime, until: datetime, rng: Random) -> tuple[BinState, Outcome]:
    schedule, local = state.spec.schedule, state.spec.local
    if schedule is None or not _is_due(schedule, after.astimezone(local), until.astimezone(local)):
        return state, Outcome()
    if rng.random() < schedule.missed_rate:
        fact = Fact(FactName.COLLECTION_MISSED, {"fill_percent": round(state.fill_percent, 1)})
        return state, Outcome(facts=(fact,))
    return collect(state, rng, by="schedule")


def _is_due(schedule: Schedule, after: datetime, until: datetime) -> bool:
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    times = (midnight + timedelta(days=back, hours=hour) for back in (-1, 0) for hour in schedule.hours)
    return any(after < time <= until and time.weekday() in schedule.weekdays for time in times)


def _measure(state: BinState, rng: Random) -> Measurement | None:
    """Return what the ultrasonic sensor reads; None where no echo came and the bin was not nearly full before."""
    geometry = state.spec.geometry
    true_mm = geometry.empty_mm - state.fill_percent / 100 * (geometry.empty_mm - geometry.full_mm)
    if true_mm < geometry.blind_zone_mm:
        if rng.random() < _FAR_ECHO_RATE:
            return _reading(state, rng.uniform(geometry.full_mm, geometry.empty_mm), quality=20, rng=rng)
        if state.reported_percent < _BLIND_AFTER_PERCENT:
            return None
        return _reading(state, None, quality=60, rng=rng)
    if rng.random() < _JUMP_RATE:
        jumped = true_mm + rng.choice((-1, 1)) * rng.uniform(100.0, 200.0)
        return _reading(state, max(geometry.blind_zone_mm, jumped), quality=40, rng=rng)
    noisy = true_mm + rng.gauss(0.0, state.spec.noise_mm)
    return _reading(state, max(geometry.blind_zone_mm, noisy), quality=95, rng=rng)


def _reading(state: BinState, target_mm: float | None, *, quality: int, rng: Random) -> Measurement:
    local = state.at.astimezone(state.spec.local)
    warmest = abs((local.hour + local.minute / 60 - 15 + 12) % 24 - 12)
    temperature = state.spec.mean_temperature_c + 7 - warmest * 14 / 12 + rng.gauss(0.0, 0.3)
    values: dict[str, float | bool] = {
        "fill_percent": 100.0 if target_mm is None else round(fill_percent(target_mm, state.spec.geometry), 1),
        "temperature_c": round(temperature, 1),
        "battery_percent": round(state.battery_percent, 1),
        "tilt_deg": round(abs(rng.gauss(1.0, 0.5)), 1),
    }
    if target_mm is not None:
        values["distance_mm"] = round(target_mm, 1)
    return Measurement("fill_level", values, quality)
