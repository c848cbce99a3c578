"""Telemetry in InfluxDB: committed to a log on this machine, carried over by a thread, read back by InfluxQL.

Readers lag: a reading can be asked for once InfluxDB has stored it, normally a fraction of a second after its append,
later where InfluxDB is away. `backlog_rows` and `backlog_oldest_s` say by how much.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import httpx2

from hub.errors import TelemetryUnavailableError
from hub.storage.influx_log import InfluxLog
from hub.storage.influx_writer import InfluxWriter, Trouble
from hub.storage.influx_writes import InfluxTarget, InfluxWrites
from hub.telemetry import influxql
from hub.telemetry.delivery import RetryPolicy
from hub.telemetry.influxql import InfluxQLError, ResultSeries
from hub.telemetry.point import LaneBatch, LaneKey, Point
from hub.telemetry.series import Page, Sample, SeriesQuery
from hub.telemetry.window import page_of, windows

_GATHER_S: Final = 0.2
"""How long lines gather before a call that is not full: a call costs as much as some hundred lines."""
_FACILITIES_A_STATEMENT: Final = 200
_STOP_MARGIN_S: Final = 2.0


class InfluxTelemetryStore:
    """InfluxDB 1.8, 2.x or 3.x behind the log; `start` begins to drain, `close` stops it and keeps the rest."""

    def __init__(self, log: InfluxLog, writer: InfluxWriter, reader: httpx2.Client, target: InfluxTarget) -> None:
        self._log = log
        self._writer = writer
        self._reader = reader
        self._target = target

    @classmethod
    def open(
        cls,
        path: Path,
        target: InfluxTarget,
        *,
        now_ms: Callable[[], int],
        draw: Callable[[], float],
        on_trouble: Callable[[Trouble | None], None],
        on_bad_line: Callable[[str, str], None],
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 frozen
        gather_s: float = _GATHER_S,
    ) -> Self:
        """Open or make the log at `path`, asking nothing of InfluxDB; StorageError says in one line what is wrong.

        `draw` gives [0, 1) for the jitter of retries. The callbacks run on the writer's thread; see `InfluxWriter`.
        """
        log = InfluxLog.open(path, now_ms=now_ms)
        writer = InfluxWriter(
            log,
            InfluxWrites(target),
            draw=draw,
            on_trouble=on_trouble,
            on_bad_line=on_bad_line,
            policy=policy,
            gather_s=gather_s,
        )
        reader = httpx2.Client(
            base_url=target.url,
            headers={"Authorization": f"Token {target.token}"},
            timeout=target.timeout_s,
            trust_env=False,
        )
        return cls(log, writer, reader, target)

    def start(self) -> None:
        """Begin to carry the log to InfluxDB; idempotent."""
        self._writer.start()

    def append(self, batches: Sequence[LaneBatch]) -> None:
        self._log.append(batches)

    def append_late(self, points: Sequence[Point]) -> None:
        self._log.append_late(points)

    def high_water(self, key: LaneKey) -> int:
        return self._log.high_water(key)

    def query(self, query: SeriesQuery) -> Page:
        if not influxql.kinds_with(query.metric):
            return Page((), None)
        return page_of(lambda asked: self._fetch(query, asked), limit=query.limit)

    def latest(self, site: str, facilities: Sequence[str]) -> dict[str, Point]:
        newest: dict[str, Point] = {}
        for start in range(0, len(facilities), _FACILITIES_A_STATEMENT):
            statement = influxql.newest(site, facilities[start : start + _FACILITIES_A_STATEMENT])
            for point in influxql.points_of(self._ask(statement)):
                known = newest.get(point.series.facility)
                if known is None or point.at_ns > known.at_ns:
                    newest[point.series.facility] = point
        return newest

    def ping(self) -> str | None:
        """Return None when the log commits: InfluxDB may be away, then `trouble` says so and the points wait."""
        return self._log.ping()

    @property
    def trouble(self) -> Trouble | None:
        """Why points wait in the log, None while they do not."""
        return self._writer.trouble

    @property
    def backlog_rows(self) -> int:
        """Appends that InfluxDB has not yet stored."""
        return self._log.backlog_rows

    @property
    def backlog_lines(self) -> int:
        """Readings that InfluxDB has not yet stored."""
        return self._log.backlog_lines

    def backlog_oldest_s(self, *, now_ms: int) -> float:
        """Return how long the oldest reading has been waiting for InfluxDB, 0 where none waits."""
        oldest_ms = self._log.oldest_ms()
        return 0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1_000

    def close(self) -> None:
        self._writer.stop(within_s=self._target.timeout_s + _STOP_MARGIN_S)
        self._reader.close()
        self._log.close()

    def _fetch(self, query: SeriesQuery, asked: int) -> list[Sample]:
        if query.every_s is None:
            found = self._ask(influxql.raw(query, asked=asked))
            return influxql.samples_of(found, query.metric)[:asked]
        found = self._ask(influxql.windowed(query, asked=asked))
        if len(found) <= 1:
            return influxql.windows_of(found)
        # The metric stands in several measurements: their windows cannot be joined, their samples can.
        samples = influxql.samples_of(self._ask(influxql.raw(query, asked=None)), query.metric)
        return windows(samples, every_s=query.every_s, aggregate=query.aggregate)[:asked]

    def _ask(self, statement: str) -> list[ResultSeries]:
        place: Mapping[str, str] = {"db": self._target.database, "epoch": "ns"}
        if self._target.retention_policy is not None:
            place = {**place, "rp": self._target.retention_policy}
        try:
            answer = self._reader.post("/query", params=dict(place), data={"q": statement})
            return influxql.read_answer(answer.json())
        except InfluxQLError as error:
            raise TelemetryUnavailableError(f"InfluxDB cannot answer: {error}") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise TelemetryUnavailableError(f"InfluxDB does not answer: {type(error).__name__}") from error
