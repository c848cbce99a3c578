"""What is saved of a corrupt outbox, also where the saving itself is cut short."""

import os
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import edge.outbox
from edge.outbox import CallStage, Outbox
from edge.outbox.rebuild import Remains
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import OutboxLife, a_call, a_reading, an_event, rows, store

TRACED = {str(Path(edge.outbox.__file__).with_name(name)) for name in ("open.py", "rebuild.py", "database.py")}
NEW, NEWER = "f" * 16, "d" * 16
_LEAF = 0x0A
"""How a page of rows begins in SQLite's format (of tables without a rowid)."""


@pytest.fixture
def life(tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path / "data")
    yield life
    life.crash()


def refs(outbox: Outbox) -> list[str]:
    return [row.body.decode().partition('"ref":"')[2].partition('"')[0] for row in rows(outbox, Lane.SOS)]


def open_calls(outbox: Outbox) -> list[str]:
    return [call.ref for call in outbox.calls.calls() if call.closed_at is None]


def broken(life: OutboxLife, *, keep: tuple[str, ...] = ()) -> None:
    """Die with a file that no opening takes; `keep` are the parts of it that a power cut leaves."""
    life.outbox.database.rows("PRAGMA user_version = 99")
    kept = {part: life.path.with_name(life.path.name + part).read_bytes() for part in keep}
    life.crash()
    for part, content in kept.items():
        life.path.with_name(life.path.name + part).write_bytes(content)


def spoil_leaf(life: OutboxLife, text: bytes) -> None:
    """Overwrite each page of rows that holds this text with noise."""
    content = life.path.read_bytes()
    pages = [content[start : start + 4_096] for start in range(0, len(content), 4_096)]
    spoilt = [page[0] == _LEAF and text in page for page in pages]
    assert any(spoilt)
    life.path.write_bytes(
        b"".join(b"\xa5" * 4_096 if is_spoilt else page for page, is_spoilt in zip(pages, spoilt, strict=True))
    )


def lines_of(work: Callable[[], object], reached: Callable[[int, tuple[str, int]], None]) -> None:
    """Do this, and tell of every line that opens, saves or commits before it is run."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            count += 1
            reached(count, (frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def killed_at(place: int, work: Callable[[], object]) -> None:
    """Do this in a process of its own that is gone at a line, as by `kill -9`."""
    child = os.fork()
    if child == 0:
        lines_of(work, lambda count, _: os._exit(9) if count == place else None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9


def test_killed_at_any_line_of_an_opening_it_loses_no_call_and_tells_of_the_reset(
    life: OutboxLife, tmp_path: Path
) -> None:
    """The main file alone is in order: only its log tells that the outbox is corrupt, and holds the second call."""
    store(life.open(), a_call("band-07:1"), an_event(), a_reading(1))
    life.outbox.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    store(life.outbox, a_call("band-07:2"), a_reading(2))
    broken(life, keep=("", "-wal"))
    whole = tmp_path / "whole"
    shutil.copytree(life.folder, whole)
    seen: dict[tuple[str, int], list[int]] = {}
    lines_of(lambda: life.open(epoch=lambda: NEW), lambda count, line: seen.setdefault(line, []).append(count))
    places = sorted(counts[0] for counts in seen.values())
    assert len(places) > 100
    for place in places:
        life.crash()
        shutil.rmtree(life.folder)
        shutil.copytree(whole, life.folder)
        killed_at(place, lambda: OutboxLife(life.folder).open(epoch=lambda: NEW))
        outbox = life.open(epoch=lambda: NEWER)
        assert refs(outbox) == open_calls(outbox) == ["band-07:1", "band-07:2"], place
        assert [len(rows(outbox, lane)) for lane in (Lane.EVENT, Lane.TELEMETRY)] == [1, 2], place
        assert outbox.because is NewEpochBecause.OUTBOX_CORRUPT, place
        assert (life.found.because, life.found.salvaged) == (NewEpochBecause.OUTBOX_CORRUPT, 5), place
        assert life.found.set_aside is not None
        assert life.found.set_aside.exists()


def test_a_reset_is_told_at_every_opening_until_it_has_been_reported(life: OutboxLife) -> None:
    life.open()
    life.crash()
    life.path.unlink()
    life.open()
    life.reopen()
    assert life.found.because is NewEpochBecause.OUTBOX_LOST
    assert life.opened is not None
    life.opened.told()
    assert life.reopen().because is NewEpochBecause.OUTBOX_LOST
    assert life.reset is None


def test_calls_behind_a_broken_page_are_saved_and_those_on_it_are_said_again(life: OutboxLife) -> None:
    names = [f"band-07:{number:04}" for number in range(400)]
    store(life.open(), *[a_call(name) for name in names])
    life.crash()
    body = life.open().database.row("SELECT body FROM records WHERE lane = 0 AND seq = 206")[0]
    life.crash()
    spoil_leaf(life, body)
    outbox = life.open(epoch=lambda: NEW)
    assert sorted(refs(outbox)) == open_calls(outbox) == names
    assert refs(outbox) != names, "those on the broken page come behind the others"
    assert life.found.salvaged == 400


def test_where_no_record_can_be_read_calls_that_nobody_took_are_said_again_by_their_notes(life: OutboxLife) -> None:
    outbox = life.open()
    store(outbox, a_call("band-07:1"), a_call("band-07:2"), a_call("band-07:3"))
    outbox.calls.mark_call("band-07:2", CallStage.SENT, at="2026-11-21T08:00:01.000Z")
    life.crash()
    life.execute("DROP TABLE records")
    life.execute("PRAGMA user_version = 99")
    outbox = life.open(epoch=lambda: NEW)
    assert refs(outbox) == ["band-07:1", "band-07:3"]
    assert open_calls(outbox) == ["band-07:1", "band-07:2", "band-07:3"]


def test_a_call_is_followed_on_as_far_as_it_had_come(life: OutboxLife) -> None:
    outbox = life.open()
    store(outbox, a_call("band-07:1"), a_call("band-07:2"), a_call("band-07:3"))
    outbox.calls.mark_call("band-07:1", CallStage.SENT, at="2026-11-21T08:00:01.000Z")
    outbox.calls.mark_call("band-07:2", CallStage.CLOSED, at="2026-11-21T08:00:01.000Z")
    outbox.calls.mark_text("band-07:1", "110", at="2026-11-21T08:00:01.000Z")
    before = outbox.calls.calls()
    broken(life)
    outbox = life.open(epoch=lambda: NEW)
    assert outbox.calls.calls() == before
    assert outbox.calls.texts() == {("band-07:1", "110")}


def test_calls_whose_notes_cannot_be_read_are_followed_by_their_records(life: OutboxLife) -> None:
    store(life.open(), a_call("band-07:1"), a_call("band-07:2"))
    life.crash()
    life.execute("DROP TABLE calls")
    life.execute("PRAGMA user_version = 99")
    outbox = life.open(epoch=lambda: NEW)
    assert refs(outbox) == open_calls(outbox) == ["band-07:1", "band-07:2"]


def test_telemetry_beyond_what_a_start_takes_comes_over_in_steps_each_reading_once(life: OutboxLife) -> None:
    outbox = life.open()
    for first in range(0, 12_000, 4_000):
        store(outbox, *[a_reading(float(number)) for number in range(first, first + 4_000)])
    broken(life)
    outbox = life.open(epoch=lambda: NEW)
    assert len(rows(outbox, most=20_000)) == life.found.salvaged == 10_000
    assert Remains(outbox).step() == 500
    outbox = life.reopen()
    store(outbox, a_reading(-1.0))
    broken(life)
    outbox = life.open(epoch=lambda: NEWER)
    remains = Remains(outbox)
    while remains.step() is not None:
        pass
    assert not remains.are_left
    bodies = [row.body for row in rows(outbox, most=20_000)]
    assert len(bodies) == len(set(bodies)) == 12_001


def test_a_file_that_proved_corrupt_at_work_is_set_aside_though_a_check_finds_nothing(life: OutboxLife) -> None:
    outbox = life.open()
    store(outbox, a_call("band-07:1"))
    with pytest.raises(Exception, match="UNIQUE"), outbox.database.transaction():
        outbox.database.run("INSERT INTO records SELECT * FROM records")
    life.close()
    outbox = life.open(epoch=lambda: NEW)
    assert life.found.detail == "it proved corrupt at work"
    assert refs(outbox) == ["band-07:1"]
    assert life.reopen().epoch == NEW
