"""What can be wrong with the telemetry file, and what a kill leaves of it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import StorageCorruptError, StorageError, StorageLockedError, StorageMissingError
from hub.storage.influx_writes import InfluxTarget
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.ports import TelemetryStore
from tests.contract.telemetry.subjects import KEY, a_batch, a_point, a_query, open_influx

Opener = Callable[[Path], TelemetryStore]


def open_influx_log(path: Path) -> TelemetryStore:
    return open_influx(path, InfluxTarget("http://127.0.0.1:9"), started=False)


@pytest.fixture(params=[SqliteTelemetryStore.open, open_influx_log], ids=["sqlite", "influx"])
def opener(request: pytest.FixtureRequest) -> Opener:
    return request.param


def test_a_missing_folder_is_one_clear_error(opener: Opener, tmp_path: Path) -> None:
    with pytest.raises(StorageMissingError, match=r"^telemetry.db: its folder is missing or may not be opened$"):
        opener(tmp_path / "nowhere" / "telemetry.db")


def test_a_file_that_is_no_database_is_one_clear_error(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"not a database, whatever its name says. " * 100)
    with pytest.raises(StorageCorruptError, match=r"^telemetry.db: it is not a database$"):
        opener(path)


def test_a_damaged_file_is_one_clear_error(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    opener(path).close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(StorageCorruptError, match=r"^telemetry.db: it is damaged$"):
        opener(path)


def test_a_file_that_another_process_holds_is_one_clear_error_and_nothing_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    store = SqliteTelemetryStore.open(path, busy_timeout_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageLockedError, match=r"^telemetry.db: another process holds it$"):
        store.append([a_batch(a_point())])
    assert store.ping() == "telemetry.db: another process holds it"
    assert store.high_water(KEY) == 0
    other.execute("ROLLBACK")
    assert store.ping() is None
    other.close()
    store.close()


def test_an_append_that_fails_half_way_leaves_nothing_and_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    store = SqliteTelemetryStore.open(path)
    wide = a_point(seq=1, values={f"f{n}": float(n) for n in range(15)})
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON marks BEGIN SELECT raise(ABORT, 'the disk is full'); END")
    with pytest.raises(StorageError, match="the disk is full"):
        store.append([a_batch(wide, a_point(seq=2))])
    assert store.query(a_query()).samples == ()
    other.execute("DROP TRIGGER full")
    other.close()
    store.append([a_batch(wide, a_point(seq=2))])
    assert [s.value for s in store.query(a_query(metric="f14")).samples] == [14.0]
    assert [s.value for s in store.query(a_query()).samples] == [81.0]
    store.close()


def test_a_reading_may_have_more_fields_than_the_table_has_columns(tmp_path: Path) -> None:
    store = SqliteTelemetryStore.open(tmp_path / "telemetry.db")
    wide = a_point(seq=1, values={f"f{n}": float(n) for n in range(40)})
    store.append([a_batch(wide)])
    store.append([a_batch(a_point(seq=2, values={f"g{n}": float(n) for n in range(30)}))])
    assert store.latest("demo", ["bin-42"])["bin-42"].values == {f"g{n}": float(n) for n in range(30)}
    assert [s.value for s in store.query(a_query(metric="f39")).samples] == [39.0]
    store.close()


def test_a_closed_store_says_so(opener: Opener, tmp_path: Path) -> None:
    store = opener(tmp_path / "telemetry.db")
    store.close()
    with pytest.raises(StorageError, match=r"^telemetry.db: "):
        store.append([a_batch(a_point())])
    assert store.ping() is not None


def test_the_high_water_is_kept_when_the_hub_changes_its_telemetry_store(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    embedded = SqliteTelemetryStore.open(path)
    embedded.append([a_batch(a_point(seq=12))])
    embedded.close()
    influx = open_influx_log(path)
    assert influx.high_water(KEY) == 12
    influx.close()


def test_what_append_returned_from_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from hub.storage.sqlite_telemetry import SqliteTelemetryStore\n"
        "from tests.contract.telemetry.subjects import a_batch, a_point\n"
        "store = SqliteTelemetryStore.open(Path(sys.argv[1]))\n"
        "for seq in range(1, 31):\n"
        "    store.append([a_batch(a_point(seq=seq, fill_percent=float(seq)))])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "telemetry.db"
    command = [sys.executable, "-c", script, str(path)]
    killed = subprocess.run(command, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert killed.returncode == -signal.SIGKILL
    store = SqliteTelemetryStore.open(path)
    assert store.high_water(KEY) == 30
    assert [s.value for s in store.query(a_query()).samples] == [float(seq) for seq in range(1, 31)]
    store.close()
