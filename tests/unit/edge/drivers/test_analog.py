from math import pi, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.analog import InputFault, Level, Signal, level_of, scaled


def level(samples: list[int], signal: Signal, *, least: int = 1) -> Level | InputFault:
    return level_of(samples, signal, full_scale=1023, reference_v=3.3, least=least)


def wave(amplitude: float, *, middle: float = 512, count: int = 200) -> list[int]:
    return [min(1023, max(0, round(middle + amplitude * sin(2 * pi * step / 20)))) for step in range(count)]


def test_a_direct_voltage_is_the_mean() -> None:
    found = level([310, 312, 311], Signal.MEAN)
    assert isinstance(found, Level)
    assert found.volts == pytest.approx(311 / 1023 * 3.3)
    assert not found.clipped


def test_an_alternating_voltage_is_its_effective_value_without_its_bias() -> None:
    found = level(wave(400, middle=480), Signal.RMS)
    assert isinstance(found, Level)
    assert found.volts == pytest.approx(400 / 1023 * 3.3 / sqrt(2), rel=0.01)
    assert not found.clipped


@pytest.mark.parametrize("middle", [0, 100, 1000, 1023])
def test_an_alternating_voltage_without_its_bias_is_a_fault(middle: int) -> None:
    assert level([middle] * 50, Signal.RMS) is InputFault.NO_BIAS


def test_too_few_samples_say_nothing() -> None:
    assert level([], Signal.MEAN) is InputFault.TOO_FEW
    assert level(wave(400, count=99), Signal.RMS, least=100) is InputFault.TOO_FEW


def test_what_leaves_the_range_is_clipped_and_a_single_spike_is_not() -> None:
    clipped = level(wave(900), Signal.RMS)
    assert isinstance(clipped, Level)
    assert clipped.clipped
    spiked = level([*wave(100), 1023], Signal.RMS)
    assert isinstance(spiked, Level)
    assert not spiked.clipped


def test_a_direct_voltage_is_clipped_at_the_top_only() -> None:
    top = level([1023] * 5, Signal.MEAN)
    assert isinstance(top, Level)
    assert top.clipped
    assert level([0] * 5, Signal.MEAN) == Level(0.0, clipped=False)


def test_a_value_is_the_voltage_above_its_zero_times_its_scale() -> None:
    assert scaled(1.5, zero_v=0.5, per_v=30) == 30
    assert scaled(0.4, zero_v=0.5, per_v=30) == 0


@given(st.lists(st.integers(0, 1023), min_size=1), st.sampled_from(Signal))
def test_a_level_never_leaves_the_range(samples: list[int], signal: Signal) -> None:
    found = level(samples, signal)
    assert isinstance(found, InputFault) or 0 <= found.volts <= 3.3 + 1e-9
