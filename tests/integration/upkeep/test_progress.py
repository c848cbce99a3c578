"""Long commands show how far they are in a terminal, and nothing at all elsewhere or beside JSON."""

import json
from pathlib import Path

import pytest

from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from tests.integration.upkeep.hub_command import COMMAND, environment, run
from tests.terminal import Shown, run_in_terminal

HEADER = "site,slug,kind,name"
FEW = 40


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {"DATA_DIR": str(tmp_path / "data")}


def in_terminal(settings: dict[str, str], *arguments: str) -> Shown:
    return run_in_terminal([*COMMAND, *arguments], environment(settings))


def test_migrate_and_import_show_a_bar_in_a_terminal_and_none_elsewhere(
    settings: dict[str, str], tmp_path: Path
) -> None:
    migrated = in_terminal(settings, "migrate")
    assert migrated.code == 0, migrated
    assert "revisions" in migrated.terminal
    assert "revisions" not in migrated.printed
    file = tmp_path / "bins.csv"
    file.write_text("\n".join([HEADER, *(f"demo,bin-{number},bin,Bin {number}" for number in range(FEW))]))
    shown = in_terminal(settings, "facilities", "import", str(file), "--dry-run")
    assert (shown.code, f"{FEW}/{FEW}" in shown.terminal) == (2, True), "the site is missing, so every row is wrong"
    beside_json = in_terminal(settings, "migrate", "--json")
    assert (beside_json.terminal, len(json.loads(beside_json.printed))) == ("", 1)
    piped = run("doctor", settings=settings | {"MQTT_URL": "mqtt://127.0.0.1:1"})
    assert (piped.returncode, piped.stderr) == (2, "")


def test_a_migration_tells_of_every_revision() -> None:
    engine, told = open_engine("sqlite://"), list[tuple[int, int]]()
    upgrade(engine, on_step=lambda done, steps: told.append((done, steps)))
    steps = len(told) - 1
    assert told == [(done, steps) for done in range(steps + 1)]
    assert steps >= 2
    told.clear()
    upgrade(engine, on_step=lambda done, steps: told.append((done, steps)))
    engine.dispose()
    assert told == [(0, 0)], "nothing is left to do"
