"""Kills of broker, hub and edges lose and double nothing."""

from pathlib import Path

import pytest

from tests.chaos.kills import play, schedule

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(400)]
SEED = 1


def test_whatever_is_killed_every_seq_is_stored_once_and_every_press_is_heard(tmp_path: Path) -> None:
    figures = play(tmp_path, schedule(SEED, 4, 1), seed=SEED, edges=1, history=tmp_path / "history.jsonl")
    assert figures.wrong == [], figures
    assert set(figures.kills) == {"broker", "hub", "agent", "edge-1"}
    assert figures.presses > 0
