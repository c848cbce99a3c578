"""What opening an outbox finds, and what it makes of it."""

import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest

from edge.errors import DataDirLocked, OutboxError
from edge.outbox import holder_of
from edge.outbox.look import look
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import OutboxLife, a_call, a_reading, an_event, places, rows, spoil_page, store


@pytest.fixture
def life(tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path)
    yield life
    life.crash()


def test_the_first_outbox_gives_no_reason_for_its_epoch(life: OutboxLife) -> None:
    outbox = life.open()
    assert (outbox.because, life.reset) == (None, None)


def test_closed_or_killed_it_is_found_in_order(life: OutboxLife) -> None:
    store(life.open(), a_reading())
    life.close()
    epoch = life.open().epoch
    outbox = life.reopen()
    assert (outbox.epoch, life.reset, places(outbox)) == (epoch, None, ["1"])


def test_a_lost_file_begins_a_new_epoch_and_says_why(life: OutboxLife) -> None:
    epoch = life.open().epoch
    life.close()
    life.path.unlink()
    outbox = life.open()
    assert outbox.epoch != epoch
    assert outbox.because is life.found.because is NewEpochBecause.OUTBOX_LOST
    assert life.reopen().because is NewEpochBecause.OUTBOX_LOST, "it is said for as long as the epoch lives"


def test_a_file_whose_making_was_cut_short_had_nothing_to_lose(life: OutboxLife) -> None:
    life.path.touch()
    assert life.open().because is None


@pytest.mark.parametrize("how", ["noise", "no database", "empty lanes", "another format"])
def test_a_corrupt_file_is_set_aside_and_kept(life: OutboxLife, how: str) -> None:
    outbox = life.open()
    store(outbox, *[a_reading(level) for level in range(100)])
    life.crash()
    match how:
        case "noise":
            life.spoil()
        case "no database":
            life.path.write_bytes(b"no database at all" * 500)
        case "empty lanes":
            life.execute("DELETE FROM lanes")
        case _:
            life.execute("PRAGMA user_version = 99")
    outbox = life.open()
    assert outbox.because is life.found.because is NewEpochBecause.OUTBOX_CORRUPT
    assert life.found.set_aside is not None
    assert life.found.set_aside.exists()
    store(outbox, a_reading())


@pytest.mark.parametrize(
    ("code", "proves"),
    [(sqlite3.SQLITE_IOERR_CORRUPTFS, True), (sqlite3.SQLITE_IOERR_DATA, True), (sqlite3.SQLITE_IOERR_WRITE, False)],
)
def test_a_sector_that_cannot_be_read_proves_a_file_spoilt_and_one_that_takes_nothing_does_not(
    life: OutboxLife, code: int, proves: bool
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    outbox = life.open()
    with pytest.raises(OutboxError, match="disk I/O error"), outbox.database.transaction():
        raise error
    assert (outbox.spoilt is not None) == proves


def test_of_a_corrupt_file_what_can_be_read_moves_into_the_new_epoch(life: OutboxLife) -> None:
    outbox = life.open()
    store(outbox, a_call("band-07:1"), a_call("band-07:2"), an_event(), a_reading(1), a_reading(2), synced=False)
    outbox.mark_done(Lane.SOS, 1, hub_ms=None)
    outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=None)
    outbox.save()
    life.crash()
    life.execute("PRAGMA user_version = 99")
    outbox = life.open(boot="c" * 16)
    assert life.found.salvaged == 3
    (call,) = rows(outbox, Lane.SOS)
    assert b"band-07:2" in call.body
    (reading,) = rows(outbox, Lane.TELEMETRY)
    assert (reading.boot, reading.synced) == ("b" * 16, False)


def test_an_outbox_of_the_former_format_goes_on_and_an_agent_of_that_time_leaves_it_alone_from_then_on(
    life: OutboxLife,
) -> None:
    draft = a_reading(1)
    outbox = life.open()
    store(outbox, draft)
    with outbox.database.transaction():
        outbox.database.run("UPDATE records SET body = ?", (draft.body,))
    life.close()
    life.execute("PRAGMA user_version = 1")
    outbox = life.open()
    store(outbox, a_reading(2))
    assert (life.reset, [row.body for row in rows(outbox)]) == (None, [draft.body, a_reading(2).body])
    assert outbox.database.row("PRAGMA user_version") == (2,)


def test_without_marks_calls_and_events_are_saved_all_and_readings_not(life: OutboxLife) -> None:
    store(life.open(), a_call(), an_event(), a_reading())
    life.crash()
    life.execute("DELETE FROM lanes")
    outbox = life.open()
    assert [len(rows(outbox, lane)) for lane in Lane] == [1, 1, 0]


def test_another_machine_takes_what_is_not_done_into_an_epoch_of_its_own(life: OutboxLife) -> None:
    outbox = life.open(machine="pi-old")
    epoch = outbox.epoch
    store(outbox, a_reading(1), a_reading(2))
    outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=None)
    life.close()
    outbox = life.open(machine="pi-new")
    assert outbox.epoch != epoch
    assert outbox.because is NewEpochBecause.MACHINE_CHANGED
    assert places(outbox) == ["1"]
    life.crash()
    epoch = life.open(machine="pi-new").epoch
    life.crash()
    assert life.open(machine=None).epoch == epoch, "a machine that does not know itself changes nothing"


def test_a_file_closed_in_order_that_proves_corrupt_on_another_machine_is_rebuilt_at_once(life: OutboxLife) -> None:
    store(life.open(machine="pi-old"), a_call(), a_reading())
    life.close()
    life.open(machine="pi-old")
    spoil_page(life.path, "records")
    life.execute("UPDATE facts SET value = '1' WHERE name = 'clean'")
    life.crash()
    outbox = life.open(machine="pi-new")
    assert life.found.because is NewEpochBecause.OUTBOX_CORRUPT
    assert [len(rows(outbox, lane)) for lane in Lane] == [1, 0, 0], "the call is said again by its notes"
    life.crash()
    assert life.open(machine="pi-new").epoch == outbox.epoch


def test_one_folder_has_one_agent(life: OutboxLife) -> None:
    life.open()
    with pytest.raises(DataDirLocked, match=r"is in use by another agent \(pid \d+\)"):
        OutboxLife(life.folder).open()
    assert holder_of(life.folder) is not None
    life.close()
    assert holder_of(life.folder) is None
    life.open()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match=r"Not a directory|File exists"):
        OutboxLife(tmp_path / "file").open()


def test_it_can_be_looked_into_beside_its_agent(life: OutboxLife) -> None:
    with pytest.raises(OutboxError, match="there is no outbox"):
        look(life.folder)
    outbox = life.open()
    store(outbox, a_call(), a_reading(), a_reading())
    outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=None)
    outbox.save()
    seen = look(life.folder)
    epoch = outbox.epoch
    assert seen["lanes"] == [
        {"lane": "sos", "epoch": epoch, "next": 2, "high_water": 0, "pending": 1},
        {"lane": "event", "epoch": epoch, "next": 1, "high_water": 0, "pending": 0},
        {"lane": "telemetry", "epoch": epoch, "next": 3, "high_water": 1, "pending": 1},
    ]
    stored_at = "2026-11-21T08:00:00.000Z"
    assert seen["sos"] == [
        {"ref": "band-07:1", "stored_at": stored_at, "sent_at": None, "heard_at": None, "heard_by": None}
    ]
