"""Taking the readings within a deadband and settling leaves what evaluating each of them leaves."""

from hypothesis import given
from hypothesis import strategies as st

from hub.rules.deadband import Deadband, deadband_after
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading, is_late, note_contact
from hub.rules.parameters import BinFullParameters
from hub.rules.rule import Effect

FIELDS = ("battery_percent", "fill_percent")
RULES = FacilityRules(
    "bin",
    bin_full=BinFullParameters(enter_percent=80, leave_percent=70, confirm_readings=2, hold_s=60),
    intervals_ms={"sensor": 60_000},
    nodes={"sensor": "pi-1"},
)

readings = st.lists(
    st.builds(
        ReadingInput,
        st.just("sensor"),
        st.just("pi-1"),
        st.just("fill_level"),
        st.integers(1_000_000, 2_000_000),
        st.integers(1_000_000, 2_000_000),
        st.sampled_from([0, 95, 95, 95, 95]),
        st.builds(
            lambda battery, fill: {"battery_percent": battery, "fill_percent": fill},
            st.sampled_from([88.0, 88.0, 88.0, 12.0]),
            st.sampled_from([10.0, 20.0, 75.0, 81.0]),
        ),
    ),
    max_size=30,
)


def judge_each(taken: list[ReadingInput]) -> tuple[FacilityState, list[Effect]]:
    state, said = FacilityState(), list[Effect]()
    for reading in taken:
        said += judge(state, reading)
    return state, said


def judge(state: FacilityState, reading: ReadingInput) -> tuple[Effect, ...]:
    _, _, kind, at_ms, received_ms, *_ = reading
    if is_late(state, kind=kind, at_ms=at_ms, received_ms=received_ms, interval_ms=60_000):
        return note_contact(RULES, state, device="sensor", node="pi-1", received_ms=received_ms)[1]
    return evaluate_reading(RULES, state, reading)[1]


def judge_by_deadbands(taken: list[ReadingInput]) -> tuple[FacilityState, list[Effect], int]:
    """Also return how many readings were never evaluated."""
    state, said, spared = FacilityState(), list[Effect](), 0
    band: Deadband | None = None
    for reading in taken:
        numbers = tuple(reading.values.values())
        if band is not None and band.take(reading.at_ms, reading.received_ms, reading.quality, numbers):
            spared += 1
            continue
        if band is not None:
            band.settle(state)
        late = is_late(
            state, kind="fill_level", at_ms=reading.at_ms, received_ms=reading.received_ms, interval_ms=60_000
        )
        effects = judge(state, reading)
        said += effects
        band = None if late or effects else deadband_after(RULES, state, reading, FIELDS)
    if band is not None:
        band.settle(state)
    return state, said, spared


@given(readings)
def test_it_leaves_the_state_and_says_the_effects_of_judging_each_reading(taken: list[ReadingInput]) -> None:
    state, said, _ = judge_by_deadbands(taken)
    assert (state, said) == judge_each(taken)


@given(st.lists(st.integers(1, 60_000), min_size=3, max_size=20), st.lists(st.floats(0, 79.9), min_size=20))
def test_of_steady_readings_only_the_first_is_judged(steps_ms: list[int], levels: list[float]) -> None:
    at_ms, taken = 1_000_000, list[ReadingInput]()
    for step_ms, level in zip(steps_ms, levels, strict=False):
        at_ms += step_ms
        values = {"battery_percent": 88.0, "fill_percent": level}
        taken.append(ReadingInput("sensor", "pi-1", "fill_level", at_ms, at_ms, 95, values))
    state, said, spared = judge_by_deadbands(taken)
    assert spared == len(taken) - 1
    assert (state, said) == judge_each(taken)


def test_it_is_left_behind_when_anything_else_moves_the_facility() -> None:
    state = FacilityState()
    reading = ReadingInput("sensor", "pi-1", "fill_level", 1, 1, 95, {"battery_percent": 88.0, "fill_percent": 10.0})
    evaluate_reading(RULES, state, reading)
    band = deadband_after(RULES, state, reading, FIELDS)
    assert band is not None
    assert band.resume(RULES, state)
    assert not band.resume(RULES, state.copy())
    assert not band.resume(FacilityRules("bin"), state)


def test_what_was_taken_and_never_settled_is_forgotten() -> None:
    state = FacilityState()
    values = {"battery_percent": 88.0, "fill_percent": 10.0}
    reading = ReadingInput("sensor", "pi-1", "fill_level", 1_000, 1_000, 95, values)
    evaluate_reading(RULES, state, reading)
    band = deadband_after(RULES, state, reading, FIELDS)
    assert band is not None
    assert band.take(9_000, 9_000, 95, (88.0, 60.0))
    assert band.resume(RULES, state)
    assert band.take(5_000, 5_000, 95, (88.0, 20.0))
    band.settle(state)
    assert (state.bin_full.fill_percent, state.newest["fill_level"]) == (20.0, 5_000)


def test_what_left_it_within_its_own_batch_is_not_resumed() -> None:
    """The state it settled goes on in the same object."""
    state = FacilityState()
    reading = ReadingInput("sensor", "pi-1", "fill_level", 1, 1, 95, {"battery_percent": 88.0, "fill_percent": 10.0})
    evaluate_reading(RULES, state, reading)
    band = deadband_after(RULES, state, reading, FIELDS)
    assert band is not None
    band.leave(state)
    assert not band.resume(RULES, state)
