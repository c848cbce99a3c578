"""Telemetry stores under test, and the points they are given."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.storage.influx import InfluxTelemetryStore
from hub.storage.influx_writer import Trouble
from hub.storage.influx_writes import InfluxTarget
from hub.telemetry.delivery import RetryPolicy
from hub.telemetry.point import LaneBatch, LaneKey, Point
from hub.telemetry.ports import TelemetryStore
from hub.telemetry.series import SeriesQuery
from protocols.lanes import Lane

NOON_MS = 1_764_072_000_000
HOUR_MS = 3_600_000
QUICK = RetryPolicy(least_s=0.005, most_s=0.02)
KEY = LaneKey("demo", "pi-1", "9f2c4be07a1d3355", Lane.TELEMETRY)


@dataclass
class Subject:
    """A store, and how to wait until what was appended can be asked for, and to stop and open it again."""

    store: TelemetryStore
    settle: Callable[[], None]
    reopen: Callable[[], None]


def wait_until(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    pause = threading.Event()
    for _ in range(int(within_s / 0.005)):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it did not come to pass")


def settle_influx(store: InfluxTelemetryStore) -> None:
    wait_until(lambda: not store.backlog_rows)


def open_influx(
    path: Path,
    target: InfluxTarget,
    *,
    started: bool = True,
    on_trouble: Callable[[Trouble | None], None] = lambda trouble: None,
    on_bad_line: Callable[[str, str], None] = lambda line, reason: None,
    policy: RetryPolicy = QUICK,
    gather_s: float = 0.0,
    now_ms: Callable[[], int] = lambda: NOON_MS,
) -> InfluxTelemetryStore:
    store = InfluxTelemetryStore.open(
        path,
        target,
        now_ms=now_ms,
        draw=lambda: 0.5,
        on_trouble=on_trouble,
        on_bad_line=on_bad_line,
        policy=policy,
        gather_s=gather_s,
    )
    if started:
        store.start()
    return store


def a_point(seq: int = 1, at_ms: int = NOON_MS, fill_percent: float = 81.0, **changes: Any) -> Point:
    parts: dict[str, Any] = {
        "site": "demo", "facility": "bin-42", "node": "pi-1", "device": "bin-42-u", "kind": "fill_level",
        "quality": 95, "values": {"fill_percent": fill_percent, "distance_mm": 412.0},
    }  # fmt: skip
    return Point.of(at_ms=at_ms, seq=seq, **{**parts, **changes})


def a_batch(*points: Point, key: LaneKey = KEY, high_water: int | None = None) -> LaneBatch:
    return LaneBatch(key, max(p.seq for p in points) if high_water is None else high_water, points)


def a_query(**changes: Any) -> SeriesQuery:
    return replace(SeriesQuery("demo", "bin-42", "fill_percent", NOON_MS, NOON_MS + HOUR_MS), **changes)
