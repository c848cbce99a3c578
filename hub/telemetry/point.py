"""A point: one reading as the telemetry store keeps it, under slugs and its effective time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocols.lanes import Lane

NANOSECONDS_PER_MILLISECOND = 1_000_000


class LaneKey(NamedTuple):
    """The name of a lane for ever: (site, node, epoch, lane); a tuple, because every message is looked up by it."""

    site: str
    node: str
    epoch: str
    lane: Lane


class Point(NamedTuple):
    """One reading: the slugs it is filed under, its effective time, its seq and its values as floats.

    A tuple, because one is built for every reading.
    """

    site: str
    facility: str
    node: str
    device: str
    kind: str
    at_ms: int
    seq: int
    quality: int
    values: Mapping[str, float]

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
