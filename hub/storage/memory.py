"""Telemetry in memory: what every other store is measured by, and a store for fast tests. Nothing outlives it."""

import threading
from collections.abc import Iterable, Sequence

from hub.telemetry.point import NANOSECONDS_PER_MILLISECOND, LaneBatch, LaneKey, Point
from hub.telemetry.series import Page, Sample, SeriesQuery
from hub.telemetry.window import page_of, span_ns, windows


class MemoryTelemetryStore:
    """The telemetry store's contract in dictionaries, without durability."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: dict[LaneKey, int] = {}
        self._points: dict[tuple[object, ...], Point] = {}

    def append(self, batches: Sequence[LaneBatch]) -> None:
        with self._lock:
            for batch in batches:
                held = self._marks.get(batch.key, 0)
                self._keep(point for point in batch.points if point.seq > held)
                self._marks[batch.key] = max(held, batch.high_water)

    def append_late(self, points: Sequence[Point]) -> None:
        with self._lock:
            self._keep(points)

    def high_water(self, key: LaneKey) -> int:
        with self._lock:
            return self._marks.get(key, 0)

    def query(self, query: SeriesQuery) -> Page:
        samples = self._samples(query)
        if query.every_s is not None:
            samples = windows(samples, every_s=query.every_s, aggregate=query.aggregate)
        return page_of(lambda asked: samples[:asked], limit=query.limit)

    def latest(self, site: str, facilities: Sequence[str]) -> dict[str, Point]:
        wanted = frozenset(facilities)
        newest: dict[str, Point] = {}
        with self._lock:
            for point in self._points.values():
                if point.series.site == site and point.series.facility in wanted:
                    known = newest.get(point.series.facility)
                    if known is None or point.at_ns > known.at_ns:
                        newest[point.series.facility] = point
        return newest

    def ping(self) -> str | None:
        return None

    def close(self) -> None:
        """Nothing to release."""

    def _keep(self, points: Iterable[Point]) -> None:
        for point in points:
            kept = point._replace(seq=point.seq % NANOSECONDS_PER_MILLISECOND)
            self._points[(*point.series[:-1], point.at_ns)] = kept

    def _samples(self, query: SeriesQuery) -> list[Sample]:
        low, high = span_ns(query)
        with self._lock:
            held = [
                Sample(point.at_ns, point.values[query.metric], point.quality)
                for point in self._points.values()
                if (point.series.site, point.series.facility) == (query.site, query.facility)
                and query.metric in point.values
                and low <= point.at_ns < high
            ]
        return sorted(held, key=lambda sample: sample.at_ns)
