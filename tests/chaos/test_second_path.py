"""A call that no hub takes starts a second path and a siren in time, and is one alarm."""

import pytest

from tests.chaos.second_path import run

pytestmark = pytest.mark.timeout(120)


def test_every_call_without_a_hub_starts_a_second_path_in_time_and_is_one_alarm() -> None:
    assert run(7, full=False).wrong == []
