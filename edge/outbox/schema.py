"""The outbox file: its tables, how it is opened, and how it is checked."""

import sqlite3
from pathlib import Path
from typing import Final

from protocols.lanes import Lane

FILE_NAME: Final = "outbox.db"
FORMAT: Final = 1
"""Version of the tables below."""

LANE_NUMBERS: Final = {Lane.SOS: 0, Lane.EVENT: 1, Lane.TELEMETRY: 2}
"""How the lanes stand in the file."""

_TABLES: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, next INTEGER NOT NULL, done INTEGER NOT NULL, released INTEGER NOT NULL);
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, anchor_at TEXT, anchor_uptime_ms INTEGER);
CREATE TABLE records (
  lane INTEGER NOT NULL, seq INTEGER NOT NULL, through INTEGER, boot INTEGER NOT NULL, synced INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (lane, seq)) WITHOUT ROWID;
CREATE TABLE done_marks (lane INTEGER NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (lane, seq)) WITHOUT ROWID;
CREATE TABLE calls (
  ref TEXT PRIMARY KEY, device TEXT NOT NULL, event TEXT NOT NULL, stored_at TEXT NOT NULL, stored_ms INTEGER NOT NULL, boot TEXT NOT NULL,
  sent_at TEXT, heard_at TEXT, heard_by TEXT, coming_at TEXT, closed_at TEXT) WITHOUT ROWID;
"""
# records.through is set for gaps only: the last seq they take. lanes.done is the high-water mark the home hub told;
# lanes.released is the highest seq that may have left this node.


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for its one writer: a commit is on the disk when it returns."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -1024")
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the file beside its writer, to look only."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def create(connection: sqlite3.Connection, *, epoch: str) -> None:
    """Make the tables of a new outbox."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.executemany("INSERT INTO lanes VALUES (?, 1, 0, 0)", [(number,) for number in LANE_NUMBERS.values()])
    connection.execute("INSERT INTO facts VALUES ('epoch', ?)", (epoch,))
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def fault(connection: sqlite3.Connection, *, thoroughly: bool) -> str | None:
    """Tell what is wrong with an opened file, None where nothing is; `thoroughly` reads every page."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            return f"format {version} is not {FORMAT}"
        if thoroughly:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                return str(verdict)
        lanes = connection.execute("SELECT count(*) FROM lanes").fetchone()[0]
        epoch = connection.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if lanes == len(LANE_NUMBERS) and epoch is not None else "lanes or epoch are missing"
