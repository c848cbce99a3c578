"""Silence is told in time: of edges, of the hub, of the way for SOS, of batteries; and test presses disturb nobody."""

from pathlib import Path

import pytest

from tests.acceptance.outside.hub_process import run_hub
from tests.chaos.liveness import control, run

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(300)]


def test_people_are_told_of_each_silence_in_time_and_once() -> None:
    assert run(7, full=False).wrong == []


def test_builds_without_a_part_of_the_supervision_are_caught() -> None:
    assert control(7).missed == []


def test_a_missing_or_a_wrong_address_of_people_is_one_line(tmp_path: Path) -> None:
    nobody = run_hub("watchdog", settings={"WATCHDOG_DATA_DIR": str(tmp_path)})
    assert nobody.code == 2
    assert [line.split(":")[0] for line in nobody.err_lines] == ["LINLI_WATCHDOG_TELL"]
    untold = run_hub("watchdog", "--test", settings={"WATCHDOG_TELL": "json://127.0.0.1:9/"})
    assert untold.code == 1
    assert untold.out.startswith("json: ")
