from dataclasses import replace

import pytest

from edge.drivers.driver import Fault, FaultReason, Measurement, Sample
from edge.drivers.echo import EchoRule, EchoState, Ping, PingFault, judge, judge_distances
from protocols.fill_level import Geometry, echo_s

RULE = EchoRule(geometry=Geometry(empty_mm=1200, full_mm=300, blind_zone_mm=200), max_range_mm=4000, frozen_after=3)


def pings_at(distance_mm: float, *, jitter_mm: float = 2.0, temperature_c: float = 20.0) -> list[Ping]:
    return [echo_s(distance_mm + jitter_mm * step, temperature_c) for step in (-2, -1, 0, 1, 2)]


def judged(
    pings: list[Ping], *, state: EchoState | None = None, temperature_c: float | None = 20.0
) -> tuple[EchoState, Sample]:
    return judge(RULE, state or EchoState(), pings, temperature_c=temperature_c)


def a_bin_at(distance_mm: float) -> EchoState:
    return judged(pings_at(distance_mm))[0]


def test_a_clean_burst_is_a_level_with_distance_temperature_and_high_quality() -> None:
    _, sample = judged(pings_at(480), temperature_c=20.0)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 80.0, "distance_mm": 480.0, "temperature_c": 20.0}
    assert sample.quality >= 90


@pytest.mark.parametrize("temperature_c", [-10.0, 0.0, 20.0, 40.0])
def test_the_speed_of_sound_follows_the_temperature(temperature_c: float) -> None:
    _, sample = judged(pings_at(480, temperature_c=temperature_c), temperature_c=temperature_c)
    assert isinstance(sample, Measurement)
    assert sample.values["fill_percent"] == pytest.approx(80.0, abs=0.1)


def test_without_a_thermometer_no_temperature_is_told_and_quality_is_lower() -> None:
    _, known = judged(pings_at(480), temperature_c=20.0)
    _, assumed = judged(pings_at(480), temperature_c=None)
    assert isinstance(known, Measurement)
    assert isinstance(assumed, Measurement)
    assert "temperature_c" not in assumed.values
    assert assumed.quality < known.quality


def test_no_echo_from_an_unknown_bin_is_a_fault() -> None:
    _, sample = judged([PingFault.NO_TARGET] * 5)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.NO_ECHO


def test_an_echo_beyond_the_sensors_range_is_no_echo() -> None:
    _, sample = judged(pings_at(4500))
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.NO_ECHO


def test_no_echo_after_nearly_full_is_full_with_lower_quality_and_without_a_distance() -> None:
    _, sample = judged([PingFault.NO_TARGET] * 5, state=a_bin_at(430))
    assert sample == Measurement(values={"fill_percent": 100.0, "temperature_c": 20.0}, quality=50)


def test_random_echoes_after_nearly_full_are_full() -> None:
    wild: list[Ping] = [echo_s(mm) for mm in (300, 900, 2500, 1400, 600)]
    _, sample = judged(wild, state=a_bin_at(430))
    assert isinstance(sample, Measurement)
    assert sample.values["fill_percent"] == 100.0


def test_random_echoes_from_a_half_full_bin_are_unstable() -> None:
    wild: list[Ping] = [echo_s(mm) for mm in (300, 900, 2500, 1400, 600)]
    _, sample = judged(wild, state=a_bin_at(800))
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.UNSTABLE


@pytest.mark.parametrize("fault", [PingFault.NEVER_ROSE, PingFault.STUCK_HIGH])
def test_a_line_that_does_not_move_is_a_sensor_fault_even_after_nearly_full(fault: PingFault) -> None:
    before = a_bin_at(430)
    after, sample = judged([fault] * 5, state=before)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert after == before


def test_a_distance_beyond_the_bottom_is_out_of_range() -> None:
    _, sample = judged(pings_at(2000.0))
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.OUT_OF_RANGE


def test_an_echo_from_within_the_blind_zone_is_a_full_bin_without_a_distance() -> None:
    _, sample = judged(pings_at(100.0))
    assert sample == Measurement(values={"fill_percent": 100.0, "temperature_c": 20.0}, quality=50)


def test_a_bin_that_seems_emptied_is_believed_at_the_second_burst() -> None:
    state, first = judged(pings_at(1190.0), state=a_bin_at(400))
    assert isinstance(first, Fault)
    assert first.reason is FaultReason.UNSTABLE
    assert "next reading" in first.detail
    _, second = judged(pings_at(1190.0), state=state)
    assert isinstance(second, Measurement)


def test_distances_are_judged_like_pings() -> None:
    _, sample = judge_distances(
        RULE, EchoState(), [480.0, 481.0, None, 479.0, 480.0], temperature_c=None, corrected=False
    )
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 80.0, "distance_mm": 480.0}
    assert 60 < sample.quality < 80


def test_a_sensor_that_is_not_watched_for_freezing_may_repeat_itself() -> None:
    state = EchoState()
    rule = replace(RULE, frozen_after=None)
    for _ in range(5):
        state, sample = judge(rule, state, pings_at(480, jitter_mm=0), temperature_c=20.0)
        assert isinstance(sample, Measurement)


def test_one_and_the_same_echo_for_three_bursts_is_a_frozen_sensor() -> None:
    state, reasons = EchoState(), []
    for _ in range(4):
        state, sample = judged(pings_at(480, jitter_mm=0), state=state)
        reasons.append(sample.reason if isinstance(sample, Fault) else None)
    assert reasons == [None, None, FaultReason.FROZEN, FaultReason.FROZEN]


def test_a_frozen_sensor_that_moves_again_is_believed_again() -> None:
    state = EchoState()
    for _ in range(3):
        state, _ = judged(pings_at(480, jitter_mm=0), state=state)
    _, sample = judged(pings_at(500), state=state)
    assert isinstance(sample, Measurement)


def test_a_minority_of_lost_pings_lowers_quality_only() -> None:
    _, sample = judged([*pings_at(480)[:3], PingFault.NO_TARGET, PingFault.NEVER_ROSE])
    assert isinstance(sample, Measurement)
    assert sample.quality < 65
