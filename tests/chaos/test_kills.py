"""Kills of everything lose, double and make up nothing; a seed decides the schedule.

Twelve broken builds are caught by `make guarantees`.
"""

import json
from pathlib import Path

import pytest

from tests.chaos.kills import Play, perform
from tests.chaos.strikes import Blow, schedule

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxd, pytest.mark.timeout(400)]
SEED = 1


def test_kills_of_broker_hub_influxdb_agent_and_edge_lose_double_and_make_up_nothing(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    figures = perform(tmp_path, Play.drawn(SEED, full=False), history=history)
    assert figures.books.wrong == [], figures
    assert sum(figures.kills.values()) >= 5
    assert figures.books.presses > 0
    assert Play.of(history) == Play.drawn(SEED, full=False)
    told = [json.loads(line) for line in history.read_text().splitlines()]
    assert sum(line.get("what") == "begun" for line in told) == len(told[0]["strikes"])


def test_a_seed_draws_the_same_schedule_with_every_target_in_it_and_none_struck_while_it_is_away() -> None:
    drawn = schedule(7, kills=240, every_s=1.2, edges=4, new_card=True)
    assert drawn == schedule(7, kills=240, every_s=1.2, edges=4, new_card=True)
    assert drawn != schedule(8, kills=240, every_s=1.2, edges=4, new_card=True)
    assert sum(strike.blow is Blow.KILL for strike in drawn) == 240
    assert len({strike.target for strike in drawn if strike.blow is Blow.KILL}) == 8
    back_s: dict[str, float] = {}
    for strike in (strike for strike in drawn if strike.blow in {Blow.KILL, Blow.FREEZE}):
        assert strike.at_s >= back_s.get(strike.target, 0.0)
        back_s[strike.target] = strike.at_s + strike.away_s
