"""A crash between any two effects of the hub loses and doubles nothing, and everybody is told.

The control is run by `make guarantees`.
"""

import pytest

from tests.chaos.fault_points import run

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxd, pytest.mark.timeout(400)]
SEED = 1
"""Its kills: while a message was sent that is not recorded, and while lines are stored that the log still holds."""


def test_a_hub_that_is_killed_at_its_fault_points_loses_and_doubles_nothing_and_tells_everybody() -> None:
    assert run(SEED).wrong == []
