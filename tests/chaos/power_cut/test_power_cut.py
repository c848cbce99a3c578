"""The short run of G2, its controls, and the disk that it stands on."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

from tests.chaos.power_cut import guarantee
from tests.chaos.power_cut.disk import Create, Delete, Disk, Operation, Survival, Sync, Truncate, Write
from tests.chaos.power_cut.recorder import UnreachableSqliteError, recording

SEED = 20_261_126


@pytest.fixture(autouse=True)
def _reachable() -> None:
    try:
        with recording():
            pass
    except UnreachableSqliteError as error:
        pytest.skip(str(error))


def test_power_cuts_take_nothing_that_was_promised() -> None:
    found = guarantee.run(SEED, full=False)
    assert found.wrong == []
    assert found.figures["cuts"] >= 100


def test_weaker_syncs_are_caught() -> None:
    found = guarantee.control(SEED)
    assert found.missed == []
    assert found.figures["stores"]["edge outbox at synchronous=NORMAL"]["lost"] > 0
    assert found.figures["stores"]["edge outbox at synchronous=OFF"]["unusable"] > 0


def test_the_recorder_sees_what_sqlite_does_and_lets_other_folders_alone(tmp_path: Path) -> None:
    watched, other = tmp_path / "watched", tmp_path / "other"
    watched.mkdir()
    other.mkdir()
    with recording() as recorder:
        recorder.begin(watched)
        for folder in (watched, other):
            connection = sqlite3.connect(folder / "a.db", isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE t (x)")
            before = recorder.now
            connection.execute("INSERT INTO t VALUES (1)")
            last = recorder.operations[-1] if folder is watched else None
            assert (recorder.now > before) is (folder is watched)
            assert folder is other or last == Sync("a.db-wal")
            connection.close()
    assert {operation.name for operation in recorder.operations} == {"a.db", "a.db-journal", "a.db-wal"}
    files = Disk()
    for operation in recorder.operations:
        files.apply(operation)
    assert files.after_cut(Survival.PART, Random(1))["a.db"] == (watched / "a.db").read_bytes()


def after(*operations: Operation, survival: Survival = Survival.NOTHING) -> dict[str, bytes]:
    disk = Disk()
    for operation in operations:
        disk.apply(operation)
    return disk.after_cut(survival, Random(3))


A = Create("a"), Write("a", 0, b"one"), Sync("a")


def test_what_was_synced_stays_and_what_was_not_need_not() -> None:
    assert after(*A, Write("a", 0, b"two")) == {"a": b"one"}
    assert after(*A, Write("a", 0, b"two"), Write("a", 3, b"!"), survival=Survival.HALF) == {"a": b"two"}
    assert after(*A, Truncate("a", 1)) == {"a": b"one"}
    assert after(*A, Truncate("a", 1), Sync("a")) == {"a": b"o"}


def test_a_name_is_durable_with_its_folder() -> None:
    assert after(*A, Delete("a", durable=False)) == {"a": b"one"}
    assert after(*A, Delete("a", durable=True)) == {}
    assert after(*A, Delete("a", durable=False), Create("b-wal"), Sync("b-wal")) == {"b-wal": b""}
    assert after(*A, Delete("a", durable=False), Create("a"), Write("a", 0, b"new")) == {"a": b"one"}


def test_a_torn_write_holds_whole_sectors_of_old_and_new() -> None:
    old, new = b"o" * 2_048, b"n" * 2_048
    torn = {
        Disk(durable={"a": old}, pending={"a": [Write("a", 0, new)]}).after_cut(Survival.TORN, Random(seed))["a"]
        for seed in range(50)
    }
    assert {old, new} < torn
    assert all(
        part in (b"o" * 512, b"n" * 512)
        for file in torn
        for part in [file[at : at + 512] for at in range(0, 2_048, 512)]
    )
