"""The outbox file: its tables, how it is opened and checked, and its transactions."""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from edge.errors import OutboxError
from protocols.lanes import Lane

FILE_NAME: Final = "outbox.db"
FORMAT: Final = 2
"""Version of the tables below; in format 1 no record is packed."""
_READ: Final = (1, FORMAT)
"""Formats that are read as they are, and written on as the newest: an older agent takes no newer file for its own."""

LANE_NUMBERS: Final = {Lane.SOS: 0, Lane.EVENT: 1, Lane.TELEMETRY: 2}
"""How the lanes stand in the file."""

# records.through is set for gaps only: the last seq they take; their body is the reason. lanes.done is the high-water
# mark that the home hub told; lanes.released is the highest seq that may have left this node.
_TABLES: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;

CREATE TABLE lanes (
  lane INTEGER PRIMARY KEY, next INTEGER NOT NULL, done INTEGER NOT NULL, released INTEGER NOT NULL);

CREATE TABLE boots (
  id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, anchor_at TEXT, anchor_uptime_ms INTEGER);

CREATE TABLE records (
  lane INTEGER NOT NULL, seq INTEGER NOT NULL, through INTEGER, boot INTEGER NOT NULL, synced INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (lane, seq)) WITHOUT ROWID;

CREATE TABLE done_marks (
  lane INTEGER NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (lane, seq)) WITHOUT ROWID;

CREATE TABLE calls (
  ref TEXT PRIMARY KEY, device TEXT NOT NULL, event TEXT NOT NULL, stored_at TEXT NOT NULL,
  stored_ms INTEGER NOT NULL, boot TEXT NOT NULL, sent_at TEXT, heard_at TEXT, heard_by TEXT, coming_at TEXT,
  closed_at TEXT) WITHOUT ROWID;
"""


_PRAGMAS: Final = ("auto_vacuum = INCREMENTAL", "temp_store = MEMORY", "cache_size = -256")
_DURABLE: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "journal_size_limit = 4194304",
)
_SCRATCH: Final = ("journal_mode = MEMORY", "synchronous = OFF")
_SPOILT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
"""Errors by which a file is not what was written. A disk that is full, worn or away may do again."""
_SPOILT_DISK: Final = frozenset({sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA})
"""And of those of the disk the ones that come again: a sector that cannot be read, or is not what was written to it."""
_NO_TEXT: Final = "Could not decode to UTF-8"
"""How Python, not SQLite, tells of bytes that are no text; it gives no code."""


class Database:
    """The file in the hands of its one writer: what a transaction has committed is on the disk when it returns."""

    def __init__(self, path: Path, *, scratch: bool = False) -> None:
        """Open or make the file; its tables are not looked at. What is `scratch` is synced only when it is whole."""
        self.path = path
        self._spoilt: str | None = None
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
        try:
            for pragma in (*_PRAGMAS, *(_SCRATCH if scratch else _DURABLE)):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error:
            self._connection.close()
            raise

    @property
    def spoilt(self) -> str | None:
        """What proved this file corrupt since it was opened; it is written no more, so that what is left stays."""
        return self._spoilt

    def proven_spoilt(self, why: str) -> OutboxError:
        """Note that the file holds what was never written to it; return what to raise."""
        self._spoilt = self._spoilt or why
        return OutboxError(f"outbox: {why}")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Every row of a query; raises OutboxError."""
        with self._telling():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first row of a query, or None; raises OutboxError."""
        with self._telling():
            return self._connection.execute(sql, values).fetchone()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement inside a transaction; return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of `values`, inside a transaction."""
        self._connection.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing, durable; raises OutboxError where the disk does not take it or the file is corrupt."""
        if self._spoilt is not None:
            raise OutboxError(f"outbox: {self._spoilt}")
        with self._telling():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def give_back(self, *, pages: int) -> None:
        """Return free pages to the file system; raises OutboxError where the disk does not take even that."""
        self.rows(f"PRAGMA incremental_vacuum({pages:d})")

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if proves_spoilt(error):
                self._spoilt = self._spoilt or str(error)
            raise OutboxError(f"outbox: {error}") from error

    def create(self, *, epoch: str, facts: Mapping[str, str]) -> None:
        """Make the tables of a new outbox."""
        with self.transaction():
            for table in _TABLES.split(";\n"):
                self.run(table)
            self.run_many("INSERT INTO lanes VALUES (?, 1, 0, 0)", [(number,) for number in LANE_NUMBERS.values()])
            self.run_many("INSERT INTO facts VALUES (?, ?)", [("epoch", epoch), *facts.items()])
            self.run(f"PRAGMA user_version = {FORMAT}")

    def is_empty(self) -> bool:
        """Whether no table was ever made: the first start was cut short before it had anything to lose."""
        return self.row("SELECT count(*) FROM sqlite_master")[0] == 0

    def fault(self) -> str | None:
        """What is wrong with the file, None where nothing is; every page is read unless it was closed in order."""
        (version,) = self.row("PRAGMA user_version")
        if version not in _READ:
            return f"format {version} is not {FORMAT}"
        if self.row("SELECT value FROM facts WHERE name = 'clean'") != ("1",):
            (verdict,) = self.row("PRAGMA quick_check(1)")
            if verdict != "ok":
                return str(verdict)
        if self.row("SELECT count(*) FROM lanes")[0] != len(LANE_NUMBERS):
            return "lanes are missing"
        if not self.row("SELECT 1 FROM facts WHERE name = 'epoch'"):
            return "the epoch is missing"
        if version != FORMAT:
            self.rows(f"PRAGMA user_version = {FORMAT}")
        return None

    def close(self) -> None:
        """Close the file; idempotent."""
        self._connection.close()


def proves_spoilt(error: sqlite3.Error) -> bool:
    """Whether by this error the file is not what was written."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in _SPOILT or code in _SPOILT_DISK or str(error).startswith(_NO_TEXT)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file beside its writer, to look only."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
