from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulators.cli import _timeline, app
from simulators.timeline import HubClock

FLEET = ("fleet", "--hub", "http://127.0.0.1:1", "--token", "t")
REPLAY = ("replay", "--hub", "http://127.0.0.1:1", "--token", "t", "--site", "s")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*FLEET, "--speed", "0"), "--speed"),
        ((*FLEET, "--site", "Not A Slug"), "--site"),
        ((*FLEET, "--loss", "2"), "network"),
        ((*FLEET, "--outage", "5"), "network"),
        ((*FLEET, "--nodes", "0"), "--nodes"),
        ((*REPLAY, "nowhere.csv"), "nowhere.csv"),
        (("fleet", "--token", "t"), "--hub"),
    ],
)
def test_wrong_usage_names_what_is_wrong_and_exits_with_2(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2
    assert said in result.stderr


def test_an_empty_replay_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Time,p\n")
    result = CliRunner().invoke(app, (*REPLAY, str(tmp_path / "a.csv")))

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_story_tells_the_same_calendar_on_any_day_of_the_run() -> None:
    first, second = (_timeline(None, speed=60, clock=clock) for clock in HubClock)

    assert first.calendar(0) == second.calendar(0) == datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    assert first.stamp(0) > first.calendar(0)


def test_before_a_hub_of_messages_a_given_start_is_what_the_clocks_show() -> None:
    given = datetime(2025, 6, 21, 10, 0)  # noqa: DTZ001 as the command line reads it

    assert _timeline(given, speed=60, clock=HubClock.MESSAGES).stamp(0) == given.replace(tzinfo=UTC)
