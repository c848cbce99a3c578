"""Line protocol against InfluxData's own corpus, read back by a reader that the corpus has proved first."""

import base64
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hub.telemetry.line_protocol import LineEncoder, escape_key, escape_measurement
from hub.telemetry.point import Point
from tests.shared_data import SharedData

CORPUS = "influx-line-protocol/corpus.json"


def a_point(**changes: Any) -> Point:
    parts: dict[str, Any] = {
        "site": "demo", "facility": "bin-42", "node": "pi-1", "device": "bin-42-u", "kind": "fill_level",
        "at_ms": 1_764_072_000_000, "seq": 1_000_005, "quality": 95, "values": {"fill_percent": 81.5},
    }  # fmt: skip
    return Point.of(**{**parts, **changes})


A_POINT = a_point()

Parsed = tuple[str, dict[str, str], dict[str, float], int | None]
_PART = re.compile(r"\\[,= ]|.", re.DOTALL)
"""A backslash escapes only what needs it, else it stands for itself."""


def split_unescaped(text: str, separator: str, *, most: int = -1) -> list[str]:
    parts = [""]
    for token in _PART.findall(text):
        if token == separator and len(parts) != most:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def unescape(text: str, escaped: str) -> str:
    return re.sub(rf"\\([{re.escape(escaped)}])", r"\1", text)


def parse(line: str) -> Parsed:
    """Read a line whose fields are all floats."""
    head, fields, *time = split_unescaped(line, " ")
    measurement, *tags = split_unescaped(head, ",")
    pairs = [split_unescaped(pair, "=", most=2) for pair in split_unescaped(fields, ",")]
    return (
        unescape(measurement, ", "),
        {unescape(k, ",= "): unescape(v, ",= ") for k, v in (split_unescaped(tag, "=", most=2) for tag in tags)},
        {unescape(key, ",= "): float(value) for key, value in pairs},
        int(time[0]) if time else None,
    )


def expected(point: dict[str, Any]) -> Parsed:
    return (
        point["name"],
        {tag["key"]: tag["value"] for tag in point.get("tags", [])},
        {field["key"]: float(field["value"]["float"]) for field in point["fields"]},
        point["time"],
    )


def is_all_floats(point: dict[str, Any]) -> bool:
    fields = point["fields"]
    return bool(fields) and all(isinstance(field["value"].get("float"), int | float) for field in fields)


def text_of(value: str | dict[str, str]) -> str | None:
    if isinstance(value, str):
        return value
    try:
        return base64.b64decode(value["binary"]).decode()
    except UnicodeDecodeError:
        return None


def encode_by_parts(point: dict[str, Any]) -> str:
    """Put a corpus point together from the pieces that the encoder is made of."""
    tags = "".join(f",{escape_key(tag['key'])}={escape_key(tag['value'])}" for tag in point.get("tags", []))
    fields = ",".join(f"{escape_key(f['key'])}={float(f['value']['float'])!r}" for f in point["fields"])
    return f"{escape_measurement(point['name'])}{tags} {fields} {point['time']}"


@pytest.fixture(scope="module")
def corpus(shared_data: SharedData) -> dict[str, Any]:
    return json.loads(shared_data.path(CORPUS).read_text())


def encode_cases(corpus: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for case in corpus["encode"].values():
        if is_all_floats(case["input"]["point"]):
            yield case["input"]["point"], case["output"]


@pytest.mark.shared_data
class TestCorpus:
    def test_points_of_floats_are_written_as_the_corpus_writes_them(self, corpus: dict[str, Any]) -> None:
        tried = 0
        for point, output in encode_cases(corpus):
            if "result" in output:
                line = encode_by_parts(point)
                assert line.rsplit(" ", 2)[0] == output["result"].rsplit(" ", 2)[0]
                assert parse(line) == parse(output["result"]) == expected(point)
                tried += 1
        assert tried >= 25

    def test_what_the_corpus_refuses_is_refused(self, corpus: dict[str, Any]) -> None:
        refused = [point for point, output in encode_cases(corpus) if "error" in output]
        assert refused
        for point in refused:
            with pytest.raises(ValueError, match="cannot stand in a line"):
                encode_by_parts(point)

    def test_every_good_point_of_floats_survives_writing_and_reading(self, corpus: dict[str, Any]) -> None:
        tried = 0
        for case in corpus["decode"].values():
            points = case["output"].get("result") or []
            text = text_of(case["input"]["text"])
            if len(points) != 1 or text is None or not is_all_floats(points[0]):
                continue
            point = points[0]
            names = [point["name"], *(part for tag in point.get("tags", []) for part in tag.values())]
            if all(name.isprintable() and not name.endswith("\\") for name in [*names, *expected(point)[2]]):
                assert parse(encode_by_parts(point)) == expected(point)
                tried += 1
        assert tried >= 60

    def test_the_reader_of_these_tests_reads_the_corpus_as_its_authors_do(self, corpus: dict[str, Any]) -> None:
        tried = 0
        for point, output in encode_cases(corpus):
            if "result" in output:
                assert parse(output["result"]) == expected(point)
                tried += 1
        assert tried >= 25


class TestEncoder:
    def test_a_point_becomes_kind_slugs_values_quality_and_its_own_nanosecond(self) -> None:
        series = "fill_level,device=bin-42-u,facility=bin-42,node=pi-1,site=demo"
        assert LineEncoder().encode([A_POINT]) == [f"{series} fill_percent=81.5,quality=95.0 1764072000000000005"]

    def test_one_encoder_keeps_series_of_different_fields_apart(self) -> None:
        encoder = LineEncoder()
        other = a_point(values={"distance_mm": 412.0, "fill_percent": 1.0})
        lines = [line.split(" ")[1] for line in encoder.encode([A_POINT, other, A_POINT])]
        assert lines == [
            "fill_percent=81.5,quality=95.0",
            "distance_mm=412.0,fill_percent=1.0,quality=95.0",
            "fill_percent=81.5,quality=95.0",
        ]

    @pytest.mark.parametrize("name", ["a,b", "a b", "a=b", "100%", "%r", "%(x)s", '"quoted"', "邻里", "a\\b"])
    def test_a_name_reads_back_whatever_it_holds(self, name: str) -> None:
        point = a_point(site=name, facility=name, node=name, device=name, kind=name, values={name: 1.5})
        measurement, tags, fields, at_ns = parse(LineEncoder().encode([point])[0])
        assert measurement == name
        assert tags == dict.fromkeys(("device", "facility", "node", "site"), name)
        assert fields == {name: 1.5, "quality": 95.0}
        assert at_ns == A_POINT.at_ns

    @pytest.mark.parametrize("name", ["", "a\nb", "a\x00b", "ends\\", "tab\t"])
    def test_a_name_that_no_line_can_hold_is_refused(self, name: str) -> None:
        for point in (
            a_point(facility=name),
            a_point(kind=name),
            a_point(values={name: 1.0}),
        ):
            with pytest.raises(ValueError, match="cannot stand in a line"):
                LineEncoder().encode([point])

    def test_a_kind_that_would_make_the_line_a_comment_is_refused(self) -> None:
        with pytest.raises(ValueError, match="comment"):
            LineEncoder().encode([a_point(kind="#lamp")])

    @pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 0.1, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 123456789.123])
    def test_a_value_reads_back_bit_for_bit(self, value: float) -> None:
        _, _, fields, _ = parse(LineEncoder().encode([a_point(values={"x": value})])[0])
        assert math.copysign(1, fields["x"]) == math.copysign(1, value)
        assert fields["x"] == value
