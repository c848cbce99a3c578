"""Windows and pages of a series: where they begin, what they hold, where the next page starts."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from hub.telemetry.point import NANOSECONDS_PER_MILLISECOND
from hub.telemetry.series import Aggregate, Page, Sample, SeriesQuery

NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_LATEST_NS: Final = 2**63 - 2
"""The last instant that every store can name (InfluxDB's own limit)."""


def span_ns(query: SeriesQuery) -> tuple[int, int]:
    """Return [from, to) of the page that is asked for, in ns: the query's, less what earlier pages have shown."""
    low = query.from_ms * NANOSECONDS_PER_MILLISECOND
    if query.after_ns is not None:
        seen_ns = 1 if query.every_s is None else query.every_s * NANOSECONDS_PER_SECOND
        low = max(low, query.after_ns + seen_ns)
    high = query.to_ms * NANOSECONDS_PER_MILLISECOND
    return min(max(low, 0), _LATEST_NS), min(max(high, 0), _LATEST_NS)


def page_of(fetch: Callable[[int], Sequence[Sample]], *, limit: int) -> Page:
    """Return the first page of what `fetch` finds; `fetch(n)` gives up to `n` samples, oldest first.

    Samples of one instant (two devices of a facility) are never parted by the end of a page, for the next page begins
    after that instant: a page is cut before them, or runs over `limit` where it is all one instant.
    """
    asked = limit + 1
    while True:
        samples = fetch(asked)
        if len(samples) <= limit:
            return Page(tuple(samples), None)
        cut = limit
        while cut and samples[cut - 1].at_ns == samples[cut].at_ns:
            cut -= 1
        if not cut:
            cut = next((n for n, sample in enumerate(samples) if sample.at_ns != samples[0].at_ns), 0)
        if cut:
            return Page(tuple(samples[:cut]), samples[cut - 1].at_ns)
        if len(samples) < asked:
            return Page(tuple(samples), None)
        asked *= 2


def windows(samples: Iterable[Sample], *, every_s: int, aggregate: Aggregate) -> list[Sample]:
    """Return one sample a window that holds any, at the window's start; `samples` come oldest first."""
    every_ns = every_s * NANOSECONDS_PER_SECOND
    parted = groupby(samples, key=lambda sample: sample.at_ns // every_ns)
    return [Sample(n * every_ns, _condense([s.value for s in held], aggregate), None) for n, held in parted]


def _condense(values: Sequence[float], aggregate: Aggregate) -> float:
    match aggregate:
        case Aggregate.MEAN:
            return sum(values) / len(values)
        case Aggregate.MIN:
            return min(values)
        case Aggregate.MAX:
            return max(values)
        case Aggregate.FIRST:
            return values[0]
        case Aggregate.LAST:
            return values[-1]
        case Aggregate.SUM:
            return sum(values)
        case Aggregate.COUNT:
            return float(len(values))
