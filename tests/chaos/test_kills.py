"""Kills of broker, hub and edges lose and double nothing; a hub that counts twice is caught."""

from pathlib import Path

import pytest

from tests.chaos.kills import control, play, schedule

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(400)]
SEED = 1


def test_whatever_is_killed_every_seq_is_stored_once_and_every_press_is_heard(tmp_path: Path) -> None:
    figures = play(tmp_path, schedule(SEED, 4, 1), seed=SEED, edges=1, history=tmp_path / "history.jsonl")
    assert figures.wrong == [], figures
    assert set(figures.kills) == {"broker", "hub", "agent", "edge-1"}
    assert figures.presses > 0


def test_a_hub_that_counts_what_comes_again_is_caught() -> None:
    assert control(SEED)["caught"]
