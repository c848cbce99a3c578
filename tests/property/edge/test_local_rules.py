"""The edge's rules and the hub's are written apart and must agree: the light at the bin says what the crew was told."""

from hypothesis import given
from hypothesis import strategies as st

from edge.local_rules import (
    BinFullRule,
    BinState,
    LampFailureRule,
    LampState,
    judge_bin,
    judge_lamp,
    recheck_bin,
)
from hub.rules import bin_full, lamp
from hub.rules.parameters import BinFullParameters, LampFailureParameters, LampUnexpectedOnParameters
from hub.vocabulary import FaultCode

INTERVAL_S = 60
STEPS = st.integers(0, 700_000)
LEVELS = st.sampled_from((0.0, 59.9, 60.0, 70.0, 79.9, 80.0, 80.1, 100.0))


@given(
    st.lists(st.tuples(STEPS, LEVELS), max_size=40),
    st.integers(1, 3),
    st.sampled_from((0.0, 30.0, 300.0, 900.0)),
)
def test_a_bin_is_full_here_when_it_is_full_at_the_hub(
    readings: list[tuple[int, float]], confirm_readings: int, hold_s: float
) -> None:
    rule = BinFullRule(confirm_readings=confirm_readings, hold_s=hold_s)
    parameters = BinFullParameters(confirm_readings=confirm_readings, hold_s=hold_s)
    ours, hubs = BinState(), bin_full.EMPTY
    at_ms = 1_000
    for step_ms, level in readings:
        due_ms = hubs.due_ms
        if due_ms is not None and due_ms <= at_ms + step_ms:
            hubs, _ = bin_full.recheck(parameters, hubs, at_ms=due_ms, interval_ms=INTERVAL_S * 1_000)
            ours = recheck_bin(rule, ours, at_ms=due_ms, interval_s=INTERVAL_S)
            assert ours.verdict.on is hubs.full
        at_ms += step_ms
        hubs, _ = bin_full.evaluate(parameters, hubs, level, at_ms=at_ms, interval_ms=INTERVAL_S * 1_000)
        ours = judge_bin(rule, ours, level, at_ms=at_ms, interval_s=INTERVAL_S)
        assert ours.verdict.on is hubs.full


@given(
    st.lists(
        st.tuples(
            STEPS, st.sampled_from((0.0, 0.9, 1.0, 4.0, 40.0)), st.sampled_from((None, 0.0, 10.0, 50.0, 55.0, 100.0))
        ),
        max_size=40,
    ),
    st.integers(1, 3),
    st.sampled_from((None, 40.0)),
)
def test_a_lamp_has_failed_here_when_it_has_failed_at_the_hub(
    readings: list[tuple[int, float, float | None]], confirm_readings: int, rated_power_w: float | None
) -> None:
    rule = LampFailureRule(confirm_readings=confirm_readings, rated_power_w=rated_power_w)
    failure = LampFailureParameters(confirm_readings=confirm_readings)
    ours, hubs = LampState(), lamp.NEW
    at_ms, failed = 1_000, False
    for step_ms, power_w, commanded in readings:
        at_ms += step_ms
        hubs, effects = lamp.evaluate(
            failure,
            LampUnexpectedOnParameters(),
            hubs,
            power_w,
            commanded_percent=commanded,
            at_ms=at_ms,
            rated_power_w=rated_power_w,
            location=None,
        )
        failed = hubs.failure.raised
        ours = judge_lamp(rule, ours, power_w, commanded_percent=commanded, at_ms=at_ms)
        assert ours.verdict.on is failed
        assert all(effect.fault_code in (FaultCode.LAMP_FAILURE, FaultCode.LAMP_UNEXPECTED_ON) for effect in effects)
