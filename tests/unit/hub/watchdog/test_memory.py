from pathlib import Path

from hub.watchdog.letters import Letter
from hub.watchdog.memory import FILE, Memory, load, save
from hub.watchdog.vigil import Episode

FULL = Memory("9f2c4be07a1d3355", 12, Episode(1, 2, 2), (Letter("title", "正文", ("a", "b"), taken=True, tries=3),))


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    assert save(tmp_path, FULL)
    assert load(tmp_path, epoch="new") == FULL
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_first_start_begins_an_epoch(tmp_path: Path) -> None:
    assert load(tmp_path, epoch="new") == Memory("new")


def test_a_broken_memory_is_put_aside_and_does_not_stop_the_watch(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"epoch": "9f2c"')
    assert load(tmp_path, epoch="new") == Memory("new")
    assert [path.name for path in tmp_path.iterdir()] == ["watchdog.broken"]


def test_a_memory_that_cannot_be_written_does_not_stop_the_watch(tmp_path: Path) -> None:
    assert not save(tmp_path / "missing", FULL)
