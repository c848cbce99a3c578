"""A hub that lost its disk comes back from its backup, and the edges bring the rest."""

import pytest

from tests.chaos.restore_drill import run


@pytest.mark.mosquitto
@pytest.mark.timeout(400)
def test_a_restored_hub_has_every_record_once_and_every_call_its_alert() -> None:
    found = run(1, full=False)
    assert found.wrong == []
    assert found.figures["acknowledged_and_not_in_the_backup"] > 0
