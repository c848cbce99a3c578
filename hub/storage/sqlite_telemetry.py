"""The embedded telemetry store: SQLite's telemetry file, nothing else needed.

One row a reading, its values in columns: a reading costs one insertion into the tree whatever it measures, and SQL
condenses a series without unpacking. Which column holds which field is said by the row's series, the pair of slugs and
field names; a facility's question visits only the series that have the field.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from hub.storage.telemetry_file import BUSY_TIMEOUT_S, TelemetryFile
from hub.telemetry.point import NANOSECONDS_PER_MILLISECOND, LaneBatch, LaneKey, Point, Series
from hub.telemetry.series import Aggregate, Page, Sample, SeriesQuery
from hub.telemetry.window import NANOSECONDS_PER_SECOND, page_of, span_ns

_FIRST_COLUMNS: Final = 12
"""Value columns of a new file; a reading with more fields adds some."""
_FACILITIES_A_STATEMENT: Final = 500

_SCHEMA: Final = (
    (
        "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, site TEXT NOT NULL, facility TEXT NOT NULL,"
        " node TEXT NOT NULL, device TEXT NOT NULL, kind TEXT NOT NULL, fields TEXT NOT NULL,"
        " UNIQUE (site, facility, node, device, kind, fields))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS readings"
        " (series_id INTEGER NOT NULL, at_ns INTEGER NOT NULL, quality INTEGER NOT NULL, "
        + ", ".join(f"v{n} REAL" for n in range(_FIRST_COLUMNS))
        + ", PRIMARY KEY (series_id, at_ns)) WITHOUT ROWID"
    ),
)
_CONDENSED: Final = {
    Aggregate.MEAN: "avg(value)",
    Aggregate.MIN: "min(value)",
    Aggregate.MAX: "max(value)",
    # SQLite takes a bare column from the row that min() or max() found.
    Aggregate.FIRST: "value, min(at_ns)",
    Aggregate.LAST: "value, max(at_ns)",
    Aggregate.SUM: "sum(value)",
    Aggregate.COUNT: "count(value)",
}

_Row = tuple[float, ...]


class SqliteTelemetryStore:
    """Telemetry in `telemetry.db`; one durable transaction an append."""

    def __init__(self, file: TelemetryFile) -> None:
        self._file = file
        self._series: dict[Series, int] = {}

    @classmethod
    def open(cls, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open or make the file; StorageError says in one line what is wrong with it."""
        return cls(TelemetryFile.open(path, schema=_SCHEMA, busy_timeout_s=busy_timeout_s))

    def append(self, batches: Sequence[LaneBatch]) -> None:
        found: dict[Series, int] = {}
        self._file.commit_above(batches, lambda connection, points: self._insert(connection, points, found))
        self._series.update(found)

    def append_late(self, points: Sequence[Point]) -> None:
        if points:
            found: dict[Series, int] = {}
            with self._file.writing() as connection:
                self._insert(connection, points, found)
            self._series.update(found)

    def high_water(self, key: LaneKey) -> int:
        return self._file.high_water(key)

    def query(self, query: SeriesQuery) -> Page:
        with self._file.reading() as connection:
            series = _series_with(connection, query)
            if not series:
                return Page((), None)
            return page_of(_question(connection, query, series), limit=query.limit)

    def latest(self, site: str, facilities: Sequence[str]) -> dict[str, Point]:
        newest: dict[str, Point] = {}
        with self._file.reading() as connection:
            for start in range(0, len(facilities), _FACILITIES_A_STATEMENT):
                for point in _newest(connection, site, facilities[start : start + _FACILITIES_A_STATEMENT]):
                    known = newest.get(point.series.facility)
                    if known is None or point.at_ns > known.at_ns:
                        newest[point.series.facility] = point
        return newest

    def ping(self) -> str | None:
        return self._file.ping()

    def close(self) -> None:
        self._file.close()

    def _insert(self, connection: sqlite3.Connection, points: Sequence[Point], found: dict[Series, int]) -> None:
        """Insert the points; put the series that the transaction meets first into `found`, known once it commits."""
        for width, rows in self._rows(connection, points, found).items():
            places = ", ".join("?" * (3 + width))
            names = "".join(f", v{n}" for n in range(width))
            connection.executemany(
                f"INSERT OR REPLACE INTO readings (series_id, at_ns, quality{names}) VALUES ({places})",  # noqa: S608 numbers only
                rows,
            )

    def _rows(
        self, connection: sqlite3.Connection, points: Sequence[Point], found: dict[Series, int]
    ) -> dict[int, list[_Row]]:
        known = self._series
        rows: dict[int, list[_Row]] = defaultdict(list)
        for series, at_ms, seq, quality, numbers in points:
            series_id = known.get(series) or found.get(series)
            if series_id is None:
                series_id = found[series] = _find_series(connection, series)
            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq % NANOSECONDS_PER_MILLISECOND
            rows[len(numbers)].append((series_id, at_ns, quality, *numbers))
        return rows


def _find_series(connection: sqlite3.Connection, series: Series) -> int:
    if len(series.fields) > _FIRST_COLUMNS:
        _widen(connection, len(series.fields))
    name = (*series[:-1], json.dumps(series.fields))
    connection.execute(
        "INSERT INTO series (site, facility, node, device, kind, fields) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        name,
    )
    found = connection.execute(
        "SELECT id FROM series WHERE site = ? AND facility = ? AND node = ? AND device = ? AND kind = ? AND fields = ?",
        name,
    ).fetchone()
    return int(found[0])


def _widen(connection: sqlite3.Connection, width: int) -> None:
    counted = connection.execute("SELECT count(*) FROM pragma_table_info('readings')").fetchone()
    for column in range(int(counted[0]) - 3, width):
        connection.execute(f"ALTER TABLE readings ADD COLUMN v{column} REAL")


def _series_with(connection: sqlite3.Connection, query: SeriesQuery) -> list[tuple[int, int]]:
    """Return the facility's series that have the metric: (series id, its column)."""
    found = connection.execute(
        "SELECT id, fields FROM series WHERE site = ? AND facility = ?", (query.site, query.facility)
    )
    known: list[tuple[int, list[str]]] = [(series_id, json.loads(fields)) for series_id, fields in found]
    return [(series_id, fields.index(query.metric)) for series_id, fields in known if query.metric in fields]


def _question(
    connection: sqlite3.Connection, query: SeriesQuery, series: Sequence[tuple[int, int]]
) -> Callable[[int], list[Sample]]:
    low, high = span_ns(query)
    held = " UNION ALL ".join(
        f"SELECT at_ns, v{column} AS value, quality FROM readings"  # noqa: S608 a number we chose
        f" WHERE series_id = {series_id} AND at_ns >= :low AND at_ns < :high AND v{column} IS NOT NULL"
        for series_id, column in series
    )
    if query.every_s is None:
        statement = f"{held} ORDER BY at_ns LIMIT :asked"
    else:
        condensed = _CONDENSED[query.aggregate]
        statement = f"SELECT at_ns / :every, {condensed} FROM ({held}) GROUP BY 1 ORDER BY 1 LIMIT :asked"  # noqa: S608 no text of others
    every_ns = (query.every_s or 0) * NANOSECONDS_PER_SECOND

    def fetch(asked: int) -> list[Sample]:
        rows = connection.execute(statement, {"low": low, "high": high, "every": every_ns, "asked": asked})
        if query.every_s is None:
            return [Sample(at_ns, value, quality) for at_ns, value, quality in rows]
        return [Sample(row[0] * every_ns, float(row[1]), None) for row in rows]

    return fetch


def _newest(connection: sqlite3.Connection, site: str, facilities: Sequence[str]) -> list[Point]:
    """Return the newest point of each series of these facilities."""
    places = ", ".join("?" * len(facilities))
    rows = connection.execute(
        "SELECT facility, node, device, kind, fields, readings.* FROM series JOIN readings ON series_id = id"  # noqa: S608 places only
        " AND at_ns = (SELECT max(at_ns) FROM readings WHERE series_id = id)"
        f" WHERE site = ? AND facility IN ({places})",
        (site, *facilities),
    )
    points: list[Point] = []
    for facility, node, device, kind, fields, _, at_ns, quality, *values in rows:
        at_ms, seq = divmod(at_ns, NANOSECONDS_PER_MILLISECOND)
        held = {name: value for name, value in zip(json.loads(fields), values, strict=False) if value is not None}
        place = (site, facility, node, device, kind)
        points.append(Point.of(*place, at_ms=at_ms, seq=seq, quality=quality, values=held))
    return points
