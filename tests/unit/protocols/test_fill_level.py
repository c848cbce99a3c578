"""Fill geometry: arithmetic with the sums beside it."""

import pytest

from protocols.fill_level import (
    Geometry,
    GeometryError,
    corrected_mm,
    distance_mm,
    echo_s,
    fill_percent,
    speed_of_sound_m_s,
)


@pytest.mark.parametrize(
    ("temperature_c", "speed"),
    [(-10, 325.24), (0, 331.3), (20, 343.42), (40, 355.54)],  # 331.3 + 0.606 T
)
def test_sound_is_faster_in_warm_air(temperature_c: float, speed: float) -> None:
    assert speed_of_sound_m_s(temperature_c) == pytest.approx(speed)


def test_a_fixed_343_m_s_reads_5_5_percent_long_in_the_cold_and_3_5_percent_short_in_the_heat() -> None:
    for temperature_c, error in ((-10, 1.055), (40, 0.965)):
        true_mm = 1000.0
        fixed_mm = true_mm * 343 / speed_of_sound_m_s(temperature_c)  # the echo took true / speed
        assert fixed_mm / true_mm == pytest.approx(error, abs=0.001)
        assert corrected_mm(fixed_mm, assumed_m_s=343, temperature_c=temperature_c) == pytest.approx(true_mm)


@pytest.mark.parametrize("temperature_c", [-20, 0, 35])
def test_echo_time_and_distance_are_inverse(temperature_c: float) -> None:
    assert distance_mm(echo_s(812, temperature_c), temperature_c) == pytest.approx(812)


@pytest.mark.parametrize(
    ("target_mm", "percent"),
    [(1400, 0), (800, 50), (440, 80), (200, 100), (50, 100), (2000, 0)],  # (1400 - d) / (1400 - 200)
)
def test_fill_is_clamped_between_the_empty_and_the_full_line(target_mm: float, percent: float) -> None:
    assert fill_percent(target_mm, Geometry(empty_mm=1400, full_mm=200, blind_zone_mm=150)) == pytest.approx(percent)


@pytest.mark.parametrize("distances", [(200, 1400, 150), (1400, 100, 150), (1400, 200, -1), (200, 200, 0)])
def test_distances_that_cannot_belong_to_a_bin_are_refused(distances: tuple[float, float, float]) -> None:
    with pytest.raises(GeometryError):
        Geometry(*distances)
