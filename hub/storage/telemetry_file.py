"""The telemetry file (SQLite): connections, the one writer at a time, marks of the lanes, one clear error.

Both telemetry stores that keep something on this machine stand on it, so a hub that changes from one to the other keeps
the high water of every lane.
"""

import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from hub.errors import StorageCorruptError, StorageError, StorageLockedError, StorageMissingError
from hub.telemetry.point import LaneBatch, LaneKey, Point
from protocols.lanes import Lane

BUSY_TIMEOUT_S: Final = 5.0
"""How long a commit waits for another process (a backup) before it gives up."""
_LARGEST_IDLE_WAL: Final = 64 * 1024 * 1024

_SCHEMA: Final = (
    (
        "CREATE TABLE IF NOT EXISTS marks (site TEXT NOT NULL, node TEXT NOT NULL, epoch TEXT NOT NULL,"
        " lane TEXT NOT NULL, high_water INTEGER NOT NULL, PRIMARY KEY (site, node, epoch, lane)) WITHOUT ROWID"
    ),
    "CREATE TABLE IF NOT EXISTS pings (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL)",
)
_ERRORS: Final[Mapping[str, tuple[type[StorageError], str]]] = {
    "SQLITE_CANTOPEN": (StorageMissingError, "its folder is missing or may not be opened"),
    "SQLITE_READONLY": (StorageMissingError, "it may not be written"),
    "SQLITE_PERM": (StorageMissingError, "it may not be opened"),
    "SQLITE_BUSY": (StorageLockedError, "another process holds it"),
    "SQLITE_LOCKED": (StorageLockedError, "another process holds it"),
    "SQLITE_CORRUPT": (StorageCorruptError, "it is damaged"),
    "SQLITE_NOTADB": (StorageCorruptError, "it is not a database"),
    "SQLITE_FULL": (StorageError, "the disk is full"),
    "SQLITE_IOERR": (StorageError, "the disk fails"),
}
"""SQLite's primary result code → our error and the words for a person."""


class TelemetryFile:
    """An open telemetry file; every method may be called from any thread."""

    def __init__(
        self, path: Path, writer: sqlite3.Connection, *, marks: dict[LaneKey, int], busy_timeout_s: float
    ) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._writer = writer
        self._writing = threading.RLock()
        self._marks = marks
        self._idle_readers: list[sqlite3.Connection] = []
        self._pool = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, schema: Sequence[str], busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open or make the file and the tables of `schema`; StorageError says in one line what is wrong with it."""
        with _translated(path):
            writer = _connect(path, busy_timeout_s)
            try:
                writer.execute("BEGIN IMMEDIATE")
                for statement in (*_SCHEMA, *schema):
                    writer.execute(statement)
                writer.execute("COMMIT")
                marks = _read_marks(writer)
            except BaseException:
                writer.close()
                raise
        return cls(path, writer, marks=marks, busy_timeout_s=busy_timeout_s)

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """One durable transaction, committed at the end of the block, undone where the block raises."""
        with _translated(self.path), self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection of the calling thread's own for the length of the block, for questions only."""
        with _translated(self.path):
            connection = self._take_reader()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def clearing(self, connection: sqlite3.Connection) -> Generator[None]:
        """One transaction on a connection of `connect_lazy`, not at the same time as another of this process."""
        with _translated(self.path), self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def connect_lazy(self) -> sqlite3.Connection:
        """Return a connection whose commits keep their order but may be undone by a power cut; `close` takes it."""
        with _translated(self.path):
            connection = _connect(self.path, self._busy_timeout_s)
            connection.execute("PRAGMA synchronous=NORMAL")
            return connection

    def high_water(self, key: LaneKey) -> int:
        """Return the committed high water of a lane, 0 where there is none."""
        return self._marks.get(key, 0)

    def commit_above(
        self, batches: Sequence[LaneBatch], store: Callable[[sqlite3.Connection, list[Point]], None]
    ) -> None:
        """Give `store` the points above the high water of their lanes, and move it, in one transaction."""
        with self._writing:
            moved: dict[LaneKey, int] = {}
            points = self._above(batches, moved)
            if not moved:
                return
            with self.writing() as connection:
                if points:
                    store(connection, points)
                connection.executemany(
                    "INSERT INTO marks VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET high_water = max(high_water, excluded.high_water)",
                    [(key.site, key.node, key.epoch, key.lane.value, mark) for key, mark in moved.items()],
                )
            self._marks.update(moved)

    def ping(self) -> str | None:
        """Commit something; return None, or one line that says why that fails."""
        try:
            with self.writing() as connection:
                connection.execute("INSERT INTO pings VALUES (1, 1) ON CONFLICT DO UPDATE SET count = count + 1")
        except StorageError as error:
            return str(error)
        return None

    def close(self, *lazy: sqlite3.Connection) -> None:
        """Close every connection of this object, and those of `connect_lazy` that are given; idempotent."""
        with self._writing, self._pool:
            self._closed = True
            for connection in (*lazy, *self._idle_readers, self._writer):
                connection.close()
            self._idle_readers.clear()

    def _above(self, batches: Sequence[LaneBatch], moved: dict[LaneKey, int]) -> list[Point]:
        points: list[Point] = []
        for batch in batches:
            key = batch.key
            held = moved.get(key, self._marks.get(key, 0))
            if batch.high_water > held:
                points += [point for point in batch.points if point.seq > held]
                moved[key] = batch.high_water
        return points

    def _take_reader(self) -> sqlite3.Connection:
        with self._pool:
            if self._closed:
                raise StorageError(f"{self.path.name}: closed")
            if self._idle_readers:
                return self._idle_readers.pop()
        connection = _connect(self.path, self._busy_timeout_s)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool:
            if self._closed:
                connection.close()
            else:
                self._idle_readers.append(connection)


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-65536")
        # Debian's SQLite would overwrite what is deleted: every drained page written once more.
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute(f"PRAGMA journal_size_limit={_LARGEST_IDLE_WAL}")
    except BaseException:
        connection.close()
        raise
    return connection


def _read_marks(connection: sqlite3.Connection) -> dict[LaneKey, int]:
    rows = connection.execute("SELECT site, node, epoch, lane, high_water FROM marks")
    return {LaneKey(site, node, epoch, Lane(lane)): mark for site, node, epoch, lane, mark in rows}


@contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: sqlite3.Error) -> StorageError:
    name = getattr(error, "sqlite_errorname", None) or ""
    primary = "_".join(name.split("_")[:2])
    kind, words = _ERRORS.get(primary, (StorageError, str(error)))
    return kind(f"{path.name}: {words}")
