"""Tracks: what admission found out of a device's readings, remembered for the next ones of the same shape."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hub.ingest.directory import Directory, NodeEntry
from hub.telemetry.point import Series
from protocols.readings import FLAG, Range, ranges_of

_MOST_TRACKS: Final = 10_000
"""Tracks of one node; beyond it they are found out anew, so that memory stays bounded."""
_FLAG_VALUES: Final[Mapping[float, float]] = {0: 0.0, 1: 1.0}


class Track(NamedTuple):
    """Readings of one device with the same fields, as nearly all are that of the message before: they are admitted.

    Their series, and what each field may say; `flags` tells whether one of them is true or false.
    """

    series: Series
    ranges: tuple[Range, ...]
    flags: bool

    def numbers(self, values: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the values as they are stored; None where one is not plausible, and admission has to say why."""
        numbers = tuple(values.values())
        if self.flags:
            numbers = tuple(map(_settle_flag, self.ranges, numbers))
        index = 0
        for low, high in self.ranges:
            number = numbers[index]
            if (type(number) is not float and type(number) is not int) or not low <= number <= high:
                return None
            index += 1  # noqa: SIM113 on the hottest path: `zip` and `enumerate` take twice as long
        return numbers


class Tracks:
    """The tracks of all nodes, as long as the registry stays as it is."""

    def __init__(self) -> None:
        """Know none."""
        self._version = -1
        self._of_node: dict[str, dict[tuple[str, ...], Track]] = {}

    def of(self, directory: Directory, node: NodeEntry) -> dict[tuple[str, ...], Track]:
        """Return a node's tracks by (device, kind, *fields), to be looked up and added to."""
        if directory.version != self._version:
            self._version = directory.version
            self._of_node.clear()
        tracks = self._of_node.get(node.id)
        if tracks is None or len(tracks) > _MOST_TRACKS:
            tracks = self._of_node[node.id] = {}
        return tracks


def track_of(series: Series) -> Track:
    """Return the track of an admitted reading's series."""
    ranges = ranges_of(series.kind, series.fields)
    return Track(series, ranges, any(low_high is FLAG for low_high in ranges))


def _settle_flag(low_high: Range, value: Any) -> Any:
    """Return a flag as 0 or 1, None for what is neither; what is no flag stays."""
    if low_high is not FLAG:
        return value
    return _FLAG_VALUES.get(value) if isinstance(value, (bool, int, float)) else None
