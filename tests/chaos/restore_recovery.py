"""How long a hub of full size takes to come back from its backup."""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from tests.chaos.restore_scene import Json, Scene

FULL_ROWS: Final = 10_000_000
SERIES: Final = 1_000


def recovery(scene: Scene, *, rows: int) -> Json:
    """Back up and restore so many readings; return seconds and sizes. Anything that ran in `scene` is replaced."""
    scene.hub.kill()
    shutil.rmtree(scene.hub.data_dir)
    made_s = _make_readings(scene.hub.data_dir, rows)
    target = scene.folder / "large.age"
    taken, backup_s, backup_mb = scene.command("backup", str(target))
    size = sum(path.stat().st_size for path in scene.hub.data_dir.glob("*.db"))
    shutil.rmtree(scene.hub.data_dir)
    began_s = time.monotonic()
    _, restore_s, restore_mb = scene.command("restore", str(target))
    scene.hub.start()
    ready_s = time.monotonic() - began_s
    with closing(sqlite3.connect(scene.hub.data_dir / "telemetry.db")) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (rows,)
    return {
        "rows": rows, "stores_mb": size >> 20, "file_mb": taken["bytes"] >> 20, "made_s": round(made_s, 1),
        "backup_s": round(backup_s, 1), "backup_peak_mb": backup_mb,
        "restore_s": round(restore_s, 1), "restore_peak_mb": restore_mb, "ready_s": round(ready_s, 1),
    }  # fmt: skip


def _make_readings(data_dir: Path, rows: int) -> float:
    """Fill a data directory with readings as a year of a community leaves them: many series, values that vary."""
    began_s = time.monotonic()
    data_dir.mkdir(parents=True)
    engine = open_engine(f"sqlite:///{data_dir / 'state.db'}")
    upgrade(engine)
    engine.dispose()
    SqliteTelemetryStore.open(data_dir / "telemetry.db").close()
    with closing(sqlite3.connect(data_dir / "telemetry.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        names = json.dumps(["fill_percent", "distance_mm", "temperature_c", "battery_percent"])
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO series (id, site, facility, node, device, kind, fields)"
            " VALUES (?, 'drill', ?, ?, ?, 'fill_level', ?)",
            [(n, f"bin-{n}", f"pi-{n // 60}", f"bin-{n}-us", names) for n in range(1, SERIES + 1)],
        )  # fmt: skip
        each = rows // SERIES
        connection.execute(
            "INSERT INTO readings (series_id, at_ns, quality, v0, v1, v2, v3)"
            " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
            " SELECT i / ?, 1795000000000000000 + (i % ?) * 300000000000 + i % 1000000, 90 + i % 10,"
            " abs(random() % 1000) / 10.0, abs(random() % 2000), abs(random() % 400) / 10.0, 100 - (i % ?) * 100.0 / ?"
            " FROM n",
            (rows, each, each, each, each),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.monotonic() - began_s
