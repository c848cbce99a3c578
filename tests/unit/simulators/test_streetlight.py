from dataclasses import replace
from datetime import datetime, timedelta, timezone
from random import Random

from protocols.readings import CheckedValues, check_values
from simulators.observation import FactName, Measurement, Outcome
from simulators.streetlight import (
    LampFault,
    StreetlightSpec,
    StreetlightState,
    commanded_percent,
    fail,
    repair,
    step,
)

SHANGHAI = timezone(timedelta(hours=8))
SPEC = StreetlightSpec(latitude_deg=31.23, longitude_deg=121.47, local=SHANGHAI, rated_power_w=100)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=SHANGHAI)
EVENING = datetime(2026, 11, 21, 20, 0, tzinfo=SHANGHAI)


def read(state: StreetlightState, at: datetime, seed: int = 1) -> dict[str, float | bool]:
    _, outcome = step(state, at, Random(seed))
    (measurement,) = outcome.observed
    assert isinstance(measurement, Measurement)
    assert isinstance(check_values(measurement.kind, measurement.values), CheckedValues)
    return dict(measurement.values)


def test_a_lamp_burns_from_dusk_and_is_dimmed_late_at_night() -> None:
    hours = {hour: commanded_percent(SPEC, NOON.replace(hour=hour)) for hour in (12, 16, 18, 20, 23, 3, 5, 8)}

    assert hours == {12: 0, 16: 0, 18: 100, 20: 100, 23: 60, 3: 60, 5: 100, 8: 0}


def test_its_power_follows_the_command() -> None:
    whole = StreetlightState(SPEC, NOON)

    assert read(whole, NOON)["power_w"] < 1
    assert 95 < read(whole, EVENING)["power_w"] < 105
    assert 57 < read(whole, EVENING.replace(hour=23))["power_w"] < 64


def test_each_fault_shows_in_the_power_as_the_field_knows_it() -> None:
    def broken(fault: LampFault) -> StreetlightState:
        return fail(StreetlightState(SPEC, NOON), fault)[0]

    assert read(broken(LampFault.LAMP_FAILURE), EVENING)["power_w"] < 10
    assert read(broken(LampFault.LAMP_FAILURE), EVENING)["commanded_percent"] == 100
    assert read(broken(LampFault.DAY_BURNER), NOON)["power_w"] > 90
    assert read(broken(LampFault.DAY_BURNER), NOON)["commanded_percent"] == 0
    cycling = [
        read(broken(LampFault.CYCLING), EVENING + timedelta(minutes=minutes))["on"] for minutes in (0, 5, 10, 15)
    ]
    assert cycling == [False, True, False, True]


def test_a_repaired_lamp_draws_its_power_again() -> None:
    broken, failed = fail(StreetlightState(SPEC, EVENING), LampFault.LAMP_FAILURE)
    whole, repaired = repair(broken)

    assert [failed.facts[0].name, repaired.facts[0].name] == [FactName.LAMP_FAILED, FactName.LAMP_REPAIRED]
    assert read(whole, EVENING)["power_w"] > 95
    assert repair(whole) == (whole, Outcome())


def test_lamps_fail_by_chance_and_are_repaired_after_their_wait() -> None:
    spec = replace(SPEC, days_between_faults=2.0, repaired_after=timedelta(hours=10))
    state, rng = StreetlightState(spec, NOON), Random(2)
    told: list[tuple[FactName, int]] = []
    for number in range(24 * 60):
        state, outcome = step(state, NOON + timedelta(hours=number), rng)
        told += [(fact.name, number) for fact in outcome.facts]

    failures = [at for name, at in told if name is FactName.LAMP_FAILED]
    repairs = [at for name, at in told if name is FactName.LAMP_REPAIRED]
    assert 15 < len(failures) < 45
    assert all(repaired - failed == 10 for failed, repaired in zip(failures, repairs, strict=False))


def test_a_lamp_without_a_fault_rate_never_fails() -> None:
    state, rng = StreetlightState(SPEC, NOON), Random(2)
    for number in range(1_000):
        state, outcome = step(state, NOON + timedelta(hours=number), rng)
        assert not outcome.facts


def test_energy_and_burn_hours_add_up_over_a_night() -> None:
    state, rng = StreetlightState(SPEC, NOON), Random(2)
    for number in range(24 * 6):
        state, _ = step(state, NOON + timedelta(minutes=10 * number), rng)

    assert 11 < state.burn_hours < 14
    assert 800 < state.energy_wh < 1_300
