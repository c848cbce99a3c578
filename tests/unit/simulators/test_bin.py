from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from protocols.events import EventName
from protocols.fill_level import Geometry
from protocols.readings import KINDS, CheckedValues, check_values
from simulators.bin import BinSpec, BinState, Schedule, collect, pour, replace_battery, step
from simulators.observation import FactName, Measurement, Outcome

START = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
SPEC = BinSpec(geometry=Geometry(1_200, 300, 200), local=UTC, fill_percent_per_day=50)


def lived(state: BinState, *, hours: float, seed: int = 1, pieces: int = 1) -> tuple[BinState, list[Outcome]]:
    rng = Random(seed)
    outcomes: list[Outcome] = []
    for piece in range(1, pieces + 1):
        state, outcome = step(state, START + timedelta(hours=hours * piece / pieces), rng)
        outcomes.append(outcome)
    return state, outcomes


def measured(outcome: Outcome) -> Measurement:
    (measurement,) = [one for one in outcome.observed if isinstance(one, Measurement)]
    return measurement


def facts(outcomes: list[Outcome]) -> list[FactName]:
    return [fact.name for outcome in outcomes for fact in outcome.facts]


def test_a_bin_fills_by_its_daily_rate_on_average() -> None:
    ends = [lived(BinState(SPEC, START), hours=24, seed=seed)[0].fill_percent for seed in range(40)]

    assert 45 < sum(ends) / len(ends) < 55


def test_it_fills_faster_in_the_evening_than_at_night() -> None:
    night = [lived(BinState(SPEC, START), hours=4, seed=seed)[0].fill_percent for seed in range(40)]
    evening = [
        step(BinState(SPEC, START + timedelta(hours=17)), START + timedelta(hours=21), Random(seed))[0].fill_percent
        for seed in range(40)
    ]

    assert sum(evening) > 5 * sum(night)


def test_becoming_full_is_told_once_until_it_is_collected() -> None:
    rng = Random(1)
    state, first = pour(BinState(SPEC, START, fill_percent=70), 15)
    state, second = pour(state, 5)
    state, _ = collect(state, rng)
    _, third = pour(state, 90)

    assert [len(outcome.facts) for outcome in (first, second, third)] == [1, 0, 1]
    assert first.facts[0].name is FactName.BECAME_FULL


def test_a_bin_never_holds_more_than_a_heap() -> None:
    state, _ = pour(BinState(SPEC, START, fill_percent=110), 500)

    assert state.fill_percent == 120


def test_the_truck_comes_by_schedule_and_opens_the_lid() -> None:
    spec = replace(SPEC, schedule=Schedule(hours=(7.0,), missed_rate=0.0))
    state, outcomes = lived(BinState(spec, START, fill_percent=90), hours=8, pieces=8)

    assert facts(outcomes) == [FactName.COLLECTED]
    assert outcomes[6].facts[0].details["by"] == "schedule"
    assert [one.event for one in outcomes[6].observed if not isinstance(one, Measurement)] == [
        EventName.LID_OPENED,
        EventName.LID_CLOSED,
    ]
    assert state.fill_percent < 20


def test_a_long_step_sees_the_truck_that_came_meanwhile() -> None:
    spec = replace(SPEC, schedule=Schedule(hours=(7.0,), missed_rate=0.0))

    assert facts(lived(BinState(spec, START), hours=72)[1]).count(FactName.COLLECTED) == 3


def test_a_truck_comes_on_its_weekdays_only() -> None:
    saturday = START.weekday()
    spec = replace(SPEC, schedule=Schedule(hours=(7.0,), weekdays=frozenset({(saturday + 1) % 7}), missed_rate=0.0))

    assert FactName.COLLECTED not in facts(lived(BinState(spec, START), hours=23)[1])
    assert FactName.COLLECTED in facts(lived(BinState(spec, START), hours=47)[1])


def test_a_missed_truck_leaves_the_bin_as_it_is() -> None:
    spec = replace(SPEC, schedule=Schedule(hours=(7.0,), missed_rate=1.0))
    state, outcomes = lived(BinState(spec, START, fill_percent=60), hours=8)

    assert facts(outcomes) == [FactName.COLLECTION_MISSED]
    assert state.fill_percent > 60


def test_the_sensor_reads_the_level_within_its_noise() -> None:
    still = replace(SPEC, fill_percent_per_day=0)
    errors = [
        abs(
            float(
                measured(step(BinState(still, START, fill_percent=50), START, Random(seed))[1]).values["fill_percent"]
            )
            - 50
        )
        for seed in range(200)
    ]

    assert sorted(errors)[150] < 2
    assert max(errors) > 5  # a jump now and then, as in the field


def test_inside_the_blind_zone_a_bin_that_was_nearly_full_reads_full_without_a_distance() -> None:
    heaped = BinState(replace(SPEC, fill_percent_per_day=0), START, fill_percent=118, reported_percent=97)
    readings = [measured(step(heaped, START, Random(seed))[1]) for seed in range(100)]
    saturated = [one for one in readings if "distance_mm" not in one.values]

    assert len(saturated) > 80
    assert all(one.values["fill_percent"] == 100 for one in saturated)
    assert all(one.quality <= 20 for one in readings if "distance_mm" in one.values)


def test_inside_the_blind_zone_a_bin_that_was_not_full_gives_no_echo() -> None:
    heaped = BinState(replace(SPEC, fill_percent_per_day=0), START, fill_percent=118, reported_percent=10)
    outcomes = [step(heaped, START, Random(seed))[1] for seed in range(50)]

    assert sum(not outcome.observed for outcome in outcomes) > 40


def test_a_battery_runs_low_once_and_is_replaced() -> None:
    spec = replace(SPEC, fill_percent_per_day=0, battery_percent_per_day=1.0)
    state, outcomes = lived(BinState(spec, START, battery_percent=20.5), hours=48, pieces=4)
    fresh, replaced = replace_battery(state)

    assert facts(outcomes) == [FactName.BATTERY_LOW]
    assert fresh.battery_percent == 100
    assert replaced.facts[0].name is FactName.BATTERY_REPLACED


def test_all_a_sensor_says_is_plausible() -> None:
    state, rng = BinState(SPEC, START), Random(3)
    for number in range(1, 500):
        state, outcome = step(state, START + timedelta(hours=number), rng)
        for one in outcome.observed:
            if isinstance(one, Measurement):
                assert isinstance(check_values(one.kind, one.values), CheckedValues)
                assert set(one.values) <= set(KINDS["fill_level"])


def test_the_same_seed_lives_the_same_life() -> None:
    assert lived(BinState(SPEC, START), hours=48, seed=5, pieces=96) == lived(
        BinState(SPEC, START), hours=48, seed=5, pieces=96
    )
