"""Some seconds of kills under a wearer who presses, and whom the kills fall on."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.sos_faults import AGENT_ALONE_S, ALONE_S, KILL_EVERY_S, KILLS_LAST_S, kills, run
from tests.chaos.strikes import HUB


@pytest.mark.mosquitto
@pytest.mark.influxd
@pytest.mark.timeout(400)
def test_every_press_under_kills_is_sent() -> None:
    ran = run(1, full=False)
    assert ran.wrong == [], ran.reached


def test_a_kill_falls_every_1_2_seconds_on_everybody_and_on_nobody_who_is_not_back() -> None:
    drawn = kills(7, lasts_s=KILLS_LAST_S, agents=4)
    assert drawn == kills(7, lasts_s=KILLS_LAST_S, agents=4)
    assert drawn != kills(8, lasts_s=KILLS_LAST_S, agents=4)
    assert drawn[0].target == HUB
    assert set(Counter(kill.target for kill in drawn)) == {*ALONE_S, "agent-0", "agent-1", "agent-2", "agent-3"}
    gaps_s = [after.at_s - before.at_s for before, after in pairwise(drawn)]
    assert KILL_EVERY_S * 0.8 < sum(gaps_s) / len(gaps_s) < KILL_EVERY_S * 1.2
    for target in {kill.target for kill in drawn}:
        times_s = [kill.at_s for kill in drawn if kill.target == target]
        alone_s = ALONE_S.get(target, AGENT_ALONE_S)
        assert all(after - before >= alone_s - 0.02 for before, after in pairwise(times_s))
