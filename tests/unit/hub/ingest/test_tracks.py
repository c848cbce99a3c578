"""Tracks say of a reading's values what admission would say, or leave it to admission."""

import math
from typing import Any

import pytest

from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.tracks import Tracks, track_of
from hub.telemetry.point import Series
from protocols.readings import CheckedValues, check_values

NODE = NodeEntry("demo.pi-1", "demo", "pi-1")


def a_series(kind: str, *fields: str) -> Series:
    return Series("demo", "place-1", "pi-1", "device-1", kind, fields)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("fill_level", {"fill_percent": 41.5, "battery_percent": 88}),
        ("fill_level", {"battery_percent": 0, "fill_percent": 100.0}),
        ("lamp", {"power_w": 60.0, "on": True}),
        ("lamp", {"on": 0, "power_w": 0.0}),
        ("vitals", {"heart_rate_bpm": 70, "worn": False, "contact": 1}),
    ],
)
def test_plausible_values_are_those_that_admission_stores(kind: str, values: dict[str, Any]) -> None:
    checked = check_values(kind, values)
    assert isinstance(checked, CheckedValues)
    track = track_of(a_series(kind, *values))
    assert track.numbers(values) == tuple(checked.values.values())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("fill_level", {"fill_percent": 100.1}),
        ("fill_level", {"fill_percent": -0.1}),
        ("fill_level", {"fill_percent": True}),
        ("fill_level", {"fill_percent": "41"}),
        ("fill_level", {"fill_percent": None}),
        ("fill_level", {"fill_percent": math.nan}),
        ("fill_level", {"fill_percent": math.inf}),
        ("fill_level", {"fill_percent": [41.0]}),
        ("lamp", {"power_w": 60.0, "on": 0.5}),
        ("lamp", {"power_w": 60.0, "on": "yes"}),
        ("lamp", {"power_w": 60.0, "on": None}),
        ("lamp", {"power_w": True, "on": True}),
    ],
)
def test_what_is_not_plausible_is_left_to_admission(kind: str, values: dict[str, Any]) -> None:
    assert track_of(a_series(kind, *values)).numbers(values) is None


def test_they_are_forgotten_when_the_registry_changes() -> None:
    directory, tracks = Directory(), Tracks()
    directory.version = 1
    tracks.of(directory, NODE)["device-1", "fill_level", "fill_percent"] = track_of(
        a_series("fill_level", "fill_percent")
    )
    assert len(tracks.of(directory, NODE)) == 1
    directory.version = 2
    assert tracks.of(directory, NODE) == {}


def test_a_node_that_keeps_inventing_fields_does_not_fill_the_memory() -> None:
    directory, tracks = Directory(), Tracks()
    track = track_of(a_series("fill_level", "fill_percent"))
    most = 0
    for number in range(25_000):
        known = tracks.of(directory, NODE)
        known["device-1", "fill_level", f"field-{number}"] = track
        most = max(most, len(known))
    assert most <= 10_001
