"""A question to the telemetry store and its answer."""

from dataclasses import dataclass
from enum import StrEnum


class Aggregate(StrEnum):
    """How the values of a window become one."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    SUM = "sum"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """One metric of one facility (slugs) in [from, to).

    Windows of `every_s` are aligned to 1970 UTC; empty ones are left out.
    """

    site: str
    facility: str
    metric: str
    from_ms: int
    to_ms: int
    every_s: int | None = None
    aggregate: Aggregate = Aggregate.MEAN
    limit: int = 200
    after_ns: int | None = None
    """Raw and windowed paging: only points later than this point time (a window's time is its start)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a series; `quality` is None for an aggregate."""

    at_ns: int
    value: float
    quality: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Samples oldest first, and the `after_ns` of the next page where there is more."""

    samples: tuple[Sample, ...]
    next_after_ns: int | None
