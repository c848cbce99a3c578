from hypothesis import example, given
from hypothesis import strategies as st

from edge.sampling import ReportReason, SamplingPlan, start, take

plans = st.builds(
    SamplingPlan,
    interval_s=st.floats(0.1, 10_000),
    watch=st.just({"fill_percent": 80.0}),
    recheck_s=st.floats(0, 10),
    dead_band=st.just({"fill_percent": 2.0}) | st.just({}),
    max_silence_s=st.none() | st.floats(1, 100_000),
)
levels = st.none() | st.floats(0, 100)


@example(SamplingPlan(interval_s=1.3781657838380852), 131072.37816578383, [(1.3781657838380852, None)])
@given(plans, st.floats(0, 1e6), st.lists(st.tuples(st.floats(0, 20_000), levels), max_size=30))
def test_the_next_sample_is_never_overdue_and_never_further_than_one_interval(
    plan: SamplingPlan, at_s: float, story: list[tuple[float, float | None]]
) -> None:
    state = start(plan, at_s=at_s)
    for late_s, level in story:
        at_s = state.due_s + late_s
        state, _ = take(plan, state, None if level is None else {"fill_percent": level}, at_s=at_s)
        assert at_s <= state.due_s <= at_s + plan.interval_s * 1.000001
        assert state.due_s > at_s or state.confirming


@given(plans, st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_a_dead_band_never_hides_more_than_its_width(plan: SamplingPlan, story: list[float]) -> None:
    state = start(plan, at_s=0)
    for level in story:
        state, decision = take(plan, state, {"fill_percent": level}, at_s=state.due_s)
        assert state.reported is not None
        assert abs(level - state.reported["fill_percent"]) < 2.0 or not plan.dead_band
        assert decision.report == (decision.reason is not ReportReason.UNCHANGED)


@given(plans, st.lists(st.floats(0, 100), min_size=2, max_size=30))
def test_at_most_one_extra_sample_follows_a_crossing(plan: SamplingPlan, story: list[float]) -> None:
    state = start(plan, at_s=0)
    was_confirming = False
    for level in story:
        state, _ = take(plan, state, {"fill_percent": level}, at_s=state.due_s)
        assert not (was_confirming and state.confirming)
        was_confirming = state.confirming
