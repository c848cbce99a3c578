import pytest

from hub.clock import LEAST_STEP_MS, ClockStep


@pytest.mark.parametrize("set_by_ms", [3_600_000, -3_600_000, LEAST_STEP_MS, -LEAST_STEP_MS])
def test_a_clock_that_is_set_is_seen_once(set_by_ms: int) -> None:
    step = ClockStep()
    assert step.look(wall_ms=1_000_000, steady_ms=5_000) == 0
    assert step.look(wall_ms=1_001_000 + set_by_ms, steady_ms=6_000) == set_by_ms
    assert step.look(wall_ms=1_002_000 + set_by_ms, steady_ms=7_000) == 0


def test_a_clock_that_is_slewed_or_looked_at_late_has_made_no_step() -> None:
    step = ClockStep()
    found = [step.look(wall_ms=round(second * 1_000.5), steady_ms=second * 1_000) for second in range(0, 36_000, 7)]
    assert set(found) == {0}
