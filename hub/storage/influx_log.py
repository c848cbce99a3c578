"""The log between the hub and InfluxDB: lines that are committed here and not yet stored there.

An append is one row, its lines ready to send. The first row is the writer's cursor: rows leave, together with the bad
lines that were found in them, in one transaction after InfluxDB has stored them. That transaction may be undone by a
power cut (not by a crash); then the same lines are sent again and overwrite themselves.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hub.storage.telemetry_file import TelemetryFile
from hub.telemetry.delivery import BadLine
from hub.telemetry.line_protocol import LineEncoder
from hub.telemetry.point import LaneBatch, LaneKey, Point

MOST_LINES: Final = 5_000
MOST_BYTES: Final = 1_000_000
"""Bounds of one call to InfluxDB, and so of one row."""
_ROWS_A_CALL: Final = 1_000

_SCHEMA: Final = (
    (
        "CREATE TABLE IF NOT EXISTS influx_log"
        " (id INTEGER PRIMARY KEY, committed_ms INTEGER NOT NULL, lines INTEGER NOT NULL,"
        " body BLOB NOT NULL)"
    ),
    ("CREATE TABLE IF NOT EXISTS bad_lines (id INTEGER PRIMARY KEY, line TEXT NOT NULL, reason TEXT NOT NULL)"),
)


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of the first rows of the log, for one call."""

    last_id: int
    rows: int
    lines: int
    data: bytes


class InfluxLog:
    """An open log. Appends come from any thread; what takes rows or bad lines out is one thread's, the writer's."""

    def __init__(
        self, file: TelemetryFile, drain: sqlite3.Connection, *, rows: int, lines: int, now_ms: Callable[[], int]
    ) -> None:
        self._file = file
        self._drain = drain
        self._encoder = LineEncoder()
        self._now_ms = now_ms
        self._work = threading.Condition()
        self._rows = rows
        self._lines = lines
        self._woken = False

    @classmethod
    def open(cls, path: Path, *, now_ms: Callable[[], int]) -> Self:
        """Open or make the log; StorageError says in one line what is wrong with the file."""
        file = TelemetryFile.open(path, schema=_SCHEMA)
        try:
            with file.reading() as connection:
                rows, lines = connection.execute("SELECT count(*), coalesce(sum(lines), 0) FROM influx_log").fetchone()
            return cls(file, file.connect_lazy(), rows=rows, lines=lines, now_ms=now_ms)
        except BaseException:
            file.close()
            raise

    def append(self, batches: Sequence[LaneBatch]) -> None:
        """Commit the points above the high water of their lanes, and move it."""
        added = [0, 0]

        def store(connection: sqlite3.Connection, points: list[Point]) -> None:
            added[:] = self._insert(connection, points)

        self._file.commit_above(batches, store)
        self._announce(rows=added[0], lines=added[1])

    def append_late(self, points: Sequence[Point]) -> None:
        """Commit points whatever the high water of their lanes."""
        if points:
            with self._file.writing() as connection:
                rows, lines = self._insert(connection, points)
            self._announce(rows=rows, lines=lines)

    def high_water(self, key: LaneKey) -> int:
        """Return the committed high water of a lane, 0 where there is none."""
        return self._file.high_water(key)

    @property
    def backlog_rows(self) -> int:
        """Appends that InfluxDB has not yet stored."""
        return self._rows

    @property
    def backlog_lines(self) -> int:
        """Readings that InfluxDB has not yet stored."""
        return self._lines

    def oldest_ms(self) -> int | None:
        """Return when the oldest row was committed, None where the log is empty."""
        with self._file.reading() as connection:
            first = connection.execute("SELECT committed_ms FROM influx_log ORDER BY id LIMIT 1").fetchone()
        return None if first is None else int(first[0])

    def await_lines(self, *, gather_s: float, at_most_s: float) -> None:
        """Wait up to `at_most_s` for lines, then up to `gather_s` for a full call's worth; not at all once woken."""
        with self._work:
            if self._work.wait_for(lambda: self._woken or self._rows > 0, timeout=at_most_s):
                self._work.wait_for(lambda: self._woken or self._lines >= MOST_LINES, timeout=gather_s)

    def take(self) -> Body | None:
        """Return the first rows that fit one call, None where the log is empty; they stay in the log."""
        with self._file.reading() as connection:
            cursor = connection.execute("SELECT id, lines, body FROM influx_log ORDER BY id LIMIT ?", (_ROWS_A_CALL,))
            taken: list[bytes] = []
            last_id = lines = size = 0
            for row_id, row_lines, body in cursor:
                if taken and (lines + row_lines > MOST_LINES or size + len(body) > MOST_BYTES):
                    break
                taken.append(body)
                last_id, lines, size = row_id, lines + row_lines, size + len(body) + 1
            cursor.close()
        return Body(last_id, len(taken), lines, b"\n".join(taken)) if taken else None

    def pass_over(self, body: Body, bad: Sequence[BadLine]) -> None:
        """Take the rows of `body` out of the log and keep its bad lines, in one transaction."""
        with self._file.clearing(self._drain):
            self._drain.executemany(
                "INSERT INTO bad_lines (line, reason) VALUES (?, ?)", [(line.line, line.reason) for line in bad]
            )
            self._drain.execute("DELETE FROM influx_log WHERE id <= ?", (body.last_id,))
        with self._work:
            self._rows -= body.rows
            self._lines -= body.lines

    def bad_lines(self) -> list[tuple[int, BadLine]]:
        """Return the bad lines that were not yet handed over, with their ids, oldest first, up to a call's worth."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT id, line, reason FROM bad_lines ORDER BY id LIMIT ?", (MOST_LINES,))
            return [(row_id, BadLine(line, reason)) for row_id, line, reason in rows]

    def forget_bad_lines(self, *, up_to_id: int) -> None:
        """Remove bad lines that somebody else keeps now."""
        with self._file.clearing(self._drain):
            self._drain.execute("DELETE FROM bad_lines WHERE id <= ?", (up_to_id,))

    def ping(self) -> str | None:
        """Commit something; return None, or one line that says why that fails."""
        return self._file.ping()

    def wake(self) -> None:
        """Let `await_lines` return at once from now on."""
        with self._work:
            self._woken = True
            self._work.notify_all()

    def close(self) -> None:
        """Release the file; idempotent."""
        self.wake()
        self._file.close(self._drain)

    def _insert(self, connection: sqlite3.Connection, points: Sequence[Point]) -> tuple[int, int]:
        lines = self._encoder.encode(points)
        now_ms = self._now_ms()
        rows = [(now_ms, count, body) for count, body in _bodies(lines)]
        connection.executemany("INSERT INTO influx_log (committed_ms, lines, body) VALUES (?, ?, ?)", rows)
        return len(rows), len(lines)

    def _announce(self, *, rows: int, lines: int) -> None:
        if rows:
            with self._work:
                first = not self._rows
                self._rows += rows
                self._lines += lines
                # While a call's worth gathers, nobody needs to be woken for each append.
                if first or self._lines >= MOST_LINES:
                    self._work.notify()


def _bodies(lines: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Part the lines into bodies within the bounds of one call; a line that is longer alone stands alone."""
    body = "\n".join(lines).encode()
    if len(lines) == 1 or (len(lines) <= MOST_LINES and len(body) <= MOST_BYTES):
        yield len(lines), body
    else:
        middle = len(lines) // 2
        yield from _bodies(lines[:middle])
        yield from _bodies(lines[middle:])
