from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from protocols.events import EventName
from protocols.readings import CheckedValues, check_values
from simulators.observation import FactName, Measurement, Occurrence, Outcome
from simulators.wristband import WristbandSpec, WristbandState, fall, press, step

START = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
SPEC = WristbandSpec(local=UTC)


def lived(state: WristbandState, *, minutes: int, seed: int = 1) -> tuple[WristbandState, list[Outcome]]:
    rng = Random(seed)
    outcomes: list[Outcome] = []
    for minute in range(1, minutes + 1):
        state, outcome = step(state, START + timedelta(minutes=minute), rng)
        outcomes.append(outcome)
    return state, outcomes


def occurrences(outcomes: list[Outcome]) -> list[Occurrence]:
    return [one for outcome in outcomes for one in outcome.observed if isinstance(one, Occurrence)]


def vitals(outcomes: list[Outcome]) -> list[Measurement]:
    return [one for outcome in outcomes for one in outcome.observed if isinstance(one, Measurement)]


def test_a_press_is_one_fact_with_a_number_of_its_own() -> None:
    state, first = press(WristbandState(SPEC, START))
    _, second = press(state)

    assert first.observed == (Occurrence(EventName.SOS_PRESSED, 1),)
    assert second.observed == (Occurrence(EventName.SOS_PRESSED, 2),)
    assert first.facts[0].name is FactName.PRESSED


def test_a_fall_is_an_event_of_its_own() -> None:
    _, outcome = fall(WristbandState(SPEC, START))

    assert outcome.observed == (Occurrence(EventName.FALL_DETECTED, 1),)


def test_presses_come_at_their_rate_and_some_are_cancelled_under_the_same_number() -> None:
    spec = replace(SPEC, presses_per_day=24.0, cancelled_share=0.5)
    _, outcomes = lived(WristbandState(spec, START), minutes=24 * 60)
    heard = occurrences(outcomes)
    pressed = [one.number for one in heard if one.event is EventName.SOS_PRESSED]
    cancelled = [one.number for one in heard if one.event is EventName.SOS_CANCELLED]

    assert 12 < len(pressed) < 36
    assert len(set(pressed)) == len(pressed)
    assert 3 < len(cancelled) < len(pressed)
    assert set(cancelled) <= set(pressed)


def test_falls_are_cancelled_as_falls() -> None:
    spec = replace(SPEC, falls_per_day=24.0, cancelled_share=1.0)
    heard = {one.event for one in occurrences(lived(WristbandState(spec, START), minutes=12 * 60)[1])}

    assert heard == {EventName.FALL_DETECTED, EventName.FALL_CANCELLED}


def test_a_quiet_wearer_reports_vitals_only_and_all_are_plausible() -> None:
    _, outcomes = lived(WristbandState(SPEC, START), minutes=24 * 60)

    assert occurrences(outcomes) == []
    assert all(isinstance(check_values(one.kind, one.values), CheckedValues) for one in vitals(outcomes))


def test_the_heart_is_slower_and_the_wearer_stiller_at_night() -> None:
    readings = vitals(lived(WristbandState(SPEC, START), minutes=24 * 60)[1])
    night, day = readings[: 5 * 60], readings[8 * 60 : 20 * 60]

    def mean(some: list[Measurement], name: str) -> float:
        return sum(float(one.values[name]) for one in some) / len(some)

    assert mean(day, "heart_rate_bpm") > mean(night, "heart_rate_bpm") + 8
    assert mean(day, "motion_mg") > 3 * mean(night, "motion_mg")


def test_a_band_is_taken_off_to_charge_and_says_that_its_pulse_means_nothing() -> None:
    state, outcomes = lived(WristbandState(replace(SPEC, battery_percent_per_day=200), START), minutes=16 * 60)
    told = [fact.name for outcome in outcomes for fact in outcome.facts]
    unworn = [one for one in vitals(outcomes) if not one.values["worn"]]

    assert told[:2] == [FactName.TAKEN_OFF, FactName.PUT_ON]
    assert len(unworn) > 60
    assert all(one.values["confidence_percent"] <= 15 and one.values["motion_mg"] == 0 for one in unworn)
    assert state.battery_percent > 0


def test_nobody_presses_a_band_that_lies_on_its_charger() -> None:
    spec = replace(SPEC, presses_per_day=10_000.0)
    _, outcomes = lived(WristbandState(spec, START, worn=False, battery_percent=20), minutes=60)

    assert occurrences(outcomes) == []
