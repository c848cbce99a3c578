"""A crash between any two effects of the hub loses and doubles nothing, and everybody is told; the control fails."""

from pathlib import Path

import pytest

from tests.chaos.fault_points import control, play, schedule

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxd, pytest.mark.timeout(400)]
SEED = 30
"""Its last kills hold no lease, for whose end everybody would have to wait."""


def test_a_hub_that_is_killed_at_each_of_its_fault_points_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ledger = play(tmp_path, schedule(SEED, 1), seed=SEED)
    assert ledger.wrong() == [], ledger
    assert ledger.presses > len(ledger.kills)


def test_a_hub_that_lets_go_too_early_and_renames_what_it_repeats_is_caught() -> None:
    found = control(SEED)
    assert found["caught"], found
