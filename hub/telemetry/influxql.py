"""InfluxQL: questions about series as statements, and the server's JSON as samples and points. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from hub.telemetry.point import NANOSECONDS_PER_MILLISECOND, Point
from hub.telemetry.series import Sample, SeriesQuery
from hub.telemetry.window import span_ns
from protocols.readings import KINDS

_QUALITY: Final = "quality"
_TAGS: Final = ("site", "facility", "node", "device")
_STRING_ESCAPES: Final = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n"})
_NAME_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """One series of an answer: measurement, the tags it was grouped by, rows as mappings of column to value."""

    measurement: str
    tags: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]


class InfluxQLError(ValueError):
    """The server could not do what a statement asked, or answered something else than InfluxQL's JSON."""


def text(value: str) -> str:
    """Return a string literal; whatever `value` holds, it stays inside."""
    return f"'{value.translate(_STRING_ESCAPES)}'"


def name(value: str) -> str:
    """Return a quoted identifier; whatever `value` holds, it stays inside."""
    return f'"{value.translate(_NAME_ESCAPES)}"'


def kinds_with(metric: str) -> tuple[str, ...]:
    """Return the measurements that have a field of that name."""
    return tuple(kind for kind, fields in KINDS.items() if metric in fields)


def raw(query: SeriesQuery, *, asked: int | None) -> str:
    """Return the statement for the samples of a series, oldest first, at most `asked` a measurement."""
    limit = "" if asked is None else f" LIMIT {asked}"
    return f"SELECT {name(query.metric)}, {name(_QUALITY)} {_source(query)} ORDER BY time ASC{limit}"


def windowed(query: SeriesQuery, *, asked: int) -> str:
    """Return the statement for the windows of a series, oldest first, at most `asked` a measurement."""
    condensed = f"{query.aggregate.value}({name(query.metric)})"
    windows = f"GROUP BY time({query.every_s}s) fill(none)"
    return f"SELECT {condensed} AS {name('value')} {_source(query)} {windows} ORDER BY time ASC LIMIT {asked}"


def newest(site: str, facilities: Sequence[str]) -> str:
    """Return the statement for the last point of each series of these facilities (at least one)."""
    named = " OR ".join(f"{name('facility')} = {text(facility)}" for facility in facilities)
    return (
        f"SELECT * FROM {', '.join(map(name, KINDS))} WHERE {name('site')} = {text(site)} AND ({named})"  # noqa: S608 escaped above
        f" GROUP BY {', '.join(map(name, _TAGS))} ORDER BY time DESC LIMIT 1"
    )


def read_answer(answer: object) -> list[ResultSeries]:
    """Return the series of the answer to one statement; InfluxQLError where it holds an error or is none."""
    if not isinstance(answer, dict):
        raise InfluxQLError("the answer is not InfluxQL's")
    document = cast("dict[str, Any]", answer)
    results = document.get("results")
    if "error" in document or not isinstance(results, list):
        raise InfluxQLError(str(document.get("error") or document.get("message") or "the answer has no results"))
    found: list[ResultSeries] = []
    for result in cast("list[dict[str, Any]]", results):
        if "error" in result:
            raise InfluxQLError(str(result["error"]))
        for series in result.get("series", []):
            columns = series["columns"]
            rows = tuple(dict(zip(columns, row, strict=True)) for row in series.get("values", []))
            found.append(ResultSeries(series.get("name", ""), series.get("tags") or {}, rows))
    return found


def samples_of(found: Sequence[ResultSeries], metric: str) -> list[Sample]:
    """Return the samples of a raw answer, oldest first, those of several measurements merged."""
    samples = [
        Sample(int(row["time"]), float(row[metric]), int(row.get(_QUALITY) or 0))
        for series in found
        for row in series.rows
        if row.get(metric) is not None
    ]
    return sorted(samples, key=lambda sample: sample.at_ns)


def windows_of(found: Sequence[ResultSeries]) -> list[Sample]:
    """Return the samples of a windowed answer, oldest first."""
    return [
        Sample(int(row["time"]), float(row["value"]), None)
        for series in found
        for row in series.rows
        if row.get("value") is not None
    ]


def points_of(found: Sequence[ResultSeries]) -> Iterator[Point]:
    """Return the points of the answer to `newest`."""
    for series in found:
        site, facility, node, device = (series.tags.get(tag, "") for tag in _TAGS)
        for row in series.rows:
            at_ms, seq = divmod(int(row["time"]), NANOSECONDS_PER_MILLISECOND)
            values = {
                field: float(row[field])
                for field in KINDS.get(series.measurement, ())
                if isinstance(row.get(field), (int, float))
            }
            quality = int(row.get(_QUALITY) or 0)
            yield Point.of(
                site, facility, node, device, series.measurement, at_ms=at_ms, seq=seq, quality=quality, values=values
            )


def _source(query: SeriesQuery) -> str:
    low, high = span_ns(query)
    measurements = ", ".join(map(name, kinds_with(query.metric)))
    return (
        f"FROM {measurements} WHERE {name('site')} = {text(query.site)}"
        f" AND {name('facility')} = {text(query.facility)} AND time >= {low} AND time < {high}"
    )
