"""Fields of requests: strict where a mistake would be kept."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hub.api.fields import Instant, IntervalS, Latitude, Name, RestId, TimeZone

INSTANT = TypeAdapter[int](Instant)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-21T08:00:00.120Z", 1_795_248_000_120),
        ("2026-11-21t16:00:00.120456+08:00", 1_795_248_000_120),
        ("2026-11-21T08:00:00z", 1_795_248_000_000),
    ],
)
def test_an_instant_is_rfc_3339(text: str, at_ms: int) -> None:
    assert INSTANT.validate_python(text) == at_ms


@pytest.mark.parametrize(
    "value",
    [
        "noon",
        "2026-11-21",
        "2026-11-21T08:00:00",
        "2026-11-21 08:00:00Z",
        "20261121T080000Z",
        "2026-11-31T08:00:00Z",
        "2026-11-21T08:00:60Z",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59Z",
        "1795248000",
        1_795_248_000,
        0.5,
        None,
        True,
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Latitude, 90.1),
        (Latitude, "31.2"),
        (Latitude, float("nan")),
        (IntervalS, 0),
        (IntervalS, float("inf")),
        (IntervalS, True),
        (TimeZone, "Mars/Olympus"),
        (TimeZone, "../etc/passwd"),
        (Name, ""),
        (Name, "bell\a"),
        (Name, "x" * 201),
        (RestId, "demo"),
        (RestId, "demo.x.y"),
        (RestId, "demo.x\n"),
    ],
)
def test_what_would_do_harm_later_is_refused_now(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[object](kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value"), [(Latitude, -90), (TimeZone, "Asia/Shanghai"), (Name, "东门垃圾桶"), (RestId, "a.b")]
)
def test_what_is_right_is_taken(kind: Any, value: object) -> None:
    assert TypeAdapter[object](kind).validate_python(value) == value
