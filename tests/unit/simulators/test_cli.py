from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulators.cli import app

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
