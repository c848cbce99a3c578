"""InfluxDB's line protocol: points in, lines out. Pure; the one place that knows its escapes.

Line = measurement,tags fields time: measurement is the kind, tags are the slugs of site, facility, node and device in
the order of their names (what InfluxDB sorts by), fields are the values and `quality`, all floats; time in ns.
"""

from collections.abc import Iterable
from typing import Final

from hub.telemetry.point import NANOSECONDS_PER_MILLISECOND, Point, Series

_REMEMBERED_SERIES: Final = 50_000
"""Series whose start is remembered; beyond it the encoder starts over, so that its memory stays bounded."""

_MEASUREMENT_ESCAPES: Final = str.maketrans({",": r"\,", " ": r"\ "})
_KEY_ESCAPES: Final = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})


def escape_measurement(name: str) -> str:
    """Return the name of a measurement as it stands in a line; ValueError where a line cannot hold it."""
    if name.startswith("#"):
        raise ValueError(f"measurement {name!r} would make the line a comment")
    return _sound(name).translate(_MEASUREMENT_ESCAPES)


def escape_key(text: str) -> str:
    """Return a tag's key or value or a field's key as it stands in a line; ValueError where a line cannot hold it."""
    return _sound(text).translate(_KEY_ESCAPES)


class LineEncoder:
    """Writes points as lines; remembers the escaped start of each series, which is most of the work.

    Values are finite floats (admission sees to it): InfluxDB refuses a line with any other.
    """

    def __init__(self) -> None:
        self._templates: dict[Series, str] = {}

    def encode(self, points: Iterable[Point]) -> list[str]:
        """Return one line a point, without line ends; ValueError for a name that a line cannot hold."""
        templates = self._templates
        lines: list[str] = []
        for series, at_ms, seq, quality, numbers in points:
            template = templates.get(series)
            if template is None:
                template = self._remember(series)
            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq % NANOSECONDS_PER_MILLISECOND
            lines.append(template % (*numbers, quality, at_ns))
        return lines

    def _remember(self, series: Series) -> str:
        if len(self._templates) >= _REMEMBERED_SERIES:
            self._templates.clear()
        site, facility, node, device, kind, names = series
        tags = (("device", device), ("facility", facility), ("node", node), ("site", site))
        start = ",".join([escape_measurement(kind), *(f"{key}={escape_key(value)}" for key, value in tags)])
        fields = [f"{escape_key(name)}=\0" for name in names]
        line = " ".join([start, ",".join([*fields, "quality=\1"]), "\2"])
        # A name may hold a percent sign; the places of the values are marked with what no name can hold.
        template = line.replace("%", "%%").replace("\0", "%r").replace("\1", "%d.0").replace("\2", "%d")
        self._templates[series] = template
        return template


def _sound(text: str) -> str:
    if not text or not text.isprintable() or text.endswith("\\"):
        raise ValueError(f"{text!r} cannot stand in a line")
    return text
