"""Hub start (exec → /readyz 200) and memory by the number of facilities; importing the same modules below."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert

from hub.devices.registry import Site
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.registry import SqlRegistry, next_number
from hub.storage.sql.tables import devices, facilities, facility_states, nodes
from tests.acceptance.outside.hub_process import Hub
from tests.benchmarks.child import Child, usage
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Stage

SITE: Final = "town"
DEVICES_A_NODE: Final = 20
READY_S: Final = 180.0
_CHUNK: Final = 5_000
_IMPORT: Final = "import hub.cli, hub.app; print('ready', flush=True); input()"


def measure(stage: Stage, report: Report) -> None:
    """A start on a data directory as a hub leaves it: each facility with one device and what its rules remember."""
    benchmark = "hub start"
    floors = [_import() for _ in range(stage.sizes.runs)]
    report.add(benchmark, "floor: import hub.app", "time", (seconds for seconds, _ in floors), unit="s")
    report.add(benchmark, "floor: import hub.app", "memory", (rss_mb for _, rss_mb in floors), unit="MB")
    for count in stage.sizes.facilities:
        data_dir = stage.folder / f"start-{count}"
        fill(data_dir, count)
        starts = [_start(stage, data_dir) for _ in range(stage.sizes.runs)]
        subject = f"{count:,} facilities"
        report.add(benchmark, subject, "exec → ready", (seconds for seconds, _ in starts), unit="s")
        report.add(benchmark, subject, "memory", (rss_mb for _, rss_mb in starts), unit="MB")
        stage.say(f"{benchmark}: {subject} {starts[0][0]:.2f} s, {starts[0][1]:.0f} MB")


def fill(data_dir: Path, count: int) -> None:
    """Make a data directory with so many facilities, by the hub's own migrations, tables and rules.

    Only the inserts are in bulk, since one registration at a time would take minutes for the largest.
    """
    data_dir.mkdir(parents=True)
    engine = open_engine(f"sqlite:///{data_dir / 'state.db'}")
    upgrade(engine)
    now_ms = int(time.time() * 1000)
    with engine.begin() as connection:
        site = Site(id=SITE, name="Town", time_zone="Asia/Shanghai", location=(31.2, 121.5), created_at_ms=now_ms)
        SqlRegistry(connection).sites.add(site)
        for first in range(0, count, _CHUNK):
            _fill_chunk(connection, range(first, min(first + _CHUNK, count)), now_ms)
    engine.dispose()


def _fill_chunk(connection: Connection, numbers: range, now_ms: int) -> None:
    born: dict[str, Any] = {"site": SITE, "version": 1, "created_at_ms": now_ms, "retired_at_ms": None}
    made = [
        {**born, **_named(f"pi-{number // DEVICES_A_NODE:05d}"), "name": "node"}
        for number in numbers
        if number % DEVICES_A_NODE == 0
    ]
    connection.execute(insert(nodes).values(number=next_number(nodes)), made)
    bins = [_named(f"bin-{number:06d}") for number in numbers]
    connection.execute(
        insert(facilities).values(number=next_number(facilities)),
        [{**born, **named, "kind": "bin", "name": named["slug"], "grid": None, "attributes": "{}"} for named in bins],
    )
    connection.execute(
        insert(devices).values(number=next_number(devices)),
        [
            {
                **born,
                **_named(f"{named['slug']}-us"),
                "kind": "fill_level",
                "facility": named["id"],
                "node": f"{SITE}.pi-{number // DEVICES_A_NODE:05d}",
                "expected_interval_s": 3600,
            }
            for number, named in zip(numbers, bins, strict=True)
        ],
    )
    connection.execute(
        insert(facility_states),
        [_state(number, named, now_ms) for number, named in zip(numbers, bins, strict=True)],
    )


def _named(slug: str) -> dict[str, str]:
    return {"id": f"{SITE}.{slug}", "slug": slug}


def _state(number: int, named: dict[str, str], now_ms: int) -> dict[str, Any]:
    """What the rules remember of a bin after its first reading."""
    sensor, node = f"{named['slug']}-us", f"pi-{number // DEVICES_A_NODE:05d}"
    rules = FacilityRules("bin", intervals_ms={sensor: 3_600_000}, nodes={sensor: node})
    values = {"fill_percent": float(number % 70), "battery_percent": 88.0}
    reading = ReadingInput(sensor, node, "fill_level", now_ms, now_ms, 95, values)
    state, _ = evaluate_reading(rules, FacilityState(), reading)
    return {"facility": named["id"], "state": state.encode(), "wake_at_ms": state.wake_at_ms}


def _start(stage: Stage, data_dir: Path) -> tuple[float, float]:
    hub = Hub(data_dir=data_dir, mqtt_url=stage.broker.url, broker_admin="none")
    begun_s = time.monotonic()
    hub.start(ready_s=READY_S)
    seconds = time.monotonic() - begun_s
    time.sleep(stage.sizes.settle_s)
    rss_mb = usage(hub.pid).rss_mb
    assert hub.stop() == 0, hub.tail()
    return seconds, rss_mb


def _import() -> tuple[float, float]:
    begun_s = time.monotonic()
    with Child([sys.executable, "-c", _IMPORT]) as child:
        child.await_line("ready", within_s=60)
        return time.monotonic() - begun_s, child.usage().rss_mb
