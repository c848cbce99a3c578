"""A point: one reading as the telemetry store keeps it, under the slugs of its series and its effective time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from protocols.lanes import Lane

NANOSECONDS_PER_MILLISECOND = 1_000_000


class LaneKey(NamedTuple):
    """The name of a lane for ever: (site, node, epoch, lane); a tuple, because every message is looked up by it."""

    site: str
    node: str
    epoch: str
    lane: Lane


class Series(NamedTuple):
    """What the readings of one device have in common, message after message: slugs, kind and the fields' names.

    Whatever is worked out for a reading's shape (ranges, the start of a line, a row of a table) is remembered under it.
    """

    site: str
    facility: str
    node: str
    device: str
    kind: str
    fields: tuple[str, ...]


class Point(NamedTuple):
    """One reading: its series, its effective time, its seq, and a float for each field of the series.

    A tuple, because one is built for every reading.
    """

    series: Series
    at_ms: int
    seq: int
    quality: int
    numbers: tuple[float, ...]

    @classmethod
    def of(
        cls,
        site: str,
        facility: str,
        node: str,
        device: str,
        kind: str,
        *,
        at_ms: int,
        seq: int,
        quality: int,
        values: Mapping[str, float],
    ) -> Self:
        """Return a point whose values are given by name."""
        series = Series(site, facility, node, device, kind, tuple(values))
        return cls(series, at_ms, seq, quality, tuple(values.values()))

    @property
    def values(self) -> dict[str, float]:
        """The values by name."""
        return dict(zip(self.series.fields, self.numbers, strict=True))

    @property
    def at_ns(self) -> int:
        """Point time: effective milliseconds plus (seq mod 10⁶) ns, so equal instants do not overwrite each other."""
        return self.at_ms * NANOSECONDS_PER_MILLISECOND + self.seq % NANOSECONDS_PER_MILLISECOND


@dataclass(frozen=True, slots=True)
class LaneBatch:
    """The points of one lane that are to be stored together, and the seq up to which the lane is then taken.

    `points` may begin below what the store already holds of the lane: the store skips those.
    """

    key: LaneKey
    high_water: int
    points: Sequence[Point]
