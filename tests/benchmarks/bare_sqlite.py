"""The floor: sqlite3 and nothing else. `python -m tests.benchmarks.bare_sqlite FILE RECORDS INTERVAL_S BYTES`.

Appends so many records of so many bytes each interval, each in a commit of its own that is on the disk when it returns.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path


def main() -> None:
    records, interval_s, size = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    database = sqlite3.connect(Path(sys.argv[1]), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    database.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    print("ready", flush=True)
    due_s = time.monotonic()
    while True:
        for _ in range(records):
            database.execute("INSERT INTO records (body) VALUES (?)", (b"x" * size,))
        due_s += interval_s
        time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main()
