"""How fast a node that was offline for long sends what it has kept: outbox → broker → hub → acknowledged."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from edge.outbox import Draft, open_outbox
from protocols.codec import encode_record
from protocols.lanes import Lane
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, console_script
from tests.benchmarks.child import Child
from tests.benchmarks.community import BINS_A_NODE, SITE, Place
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Stage
from tests.fakes.usual_reading import usual_reading

BENCHMARK: Final = "a node that was offline drains its outbox"
AIM_US: Final = 1e6 / 5_000
"""Time that a record may take (G10)."""
_BEGAN: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)
_APPENDED_AT_ONCE: Final = 200


def measure(stage: Stage, report: Report) -> None:
    """A real agent with a full outbox meets a real hub; the clock runs from its start to its last record in the hub."""
    folder = stage.folder / f"drain-{stage.number()}"
    records = stage.sizes.drained
    megabytes = fill(folder / "data", records)
    configuration = folder / "edge.toml"
    configuration.write_text(
        f'site = "{SITE}"\nnode = "{Place(0).node}"\ndata_dir = "data"\nbroker = {{url = "{stage.broker.url}"}}\n'
    )
    with stage.hub(stage.database("drain")) as hub:
        rest = Rest(hub.url).login(*ADMIN)
        began_s = time.monotonic()
        with Child([console_script("linli-edge"), "run", "--config", str(configuration)]) as edge:
            rest.wait(lambda: _stored(rest) >= records, what="the whole outbox", timeout_s=600)
            a_second = records / (time.monotonic() - began_s)
            cpu_us = edge.usage().cpu_s * 1e6 / records
        rest.close()
    report.add(BENCHMARK, "linli", "records a second", a_second, unit="/s")
    report.add(BENCHMARK, "linli", "time a record", 1e6 / a_second, unit="µs", aim=AIM_US)
    report.add(BENCHMARK, "linli", "CPU a record at the node", cpu_us, unit="µs")
    report.add(BENCHMARK, "linli", "outbox of a million", megabytes * 1e6 / records, unit="MB", aim=100.0)
    stage.say(f"{BENCHMARK}: {a_second:.0f} records/s, {megabytes * 1e6 / records:.0f} MB a million")


def fill(data_dir: Path, records: int) -> float:
    """Make an outbox as an agent leaves it after so many readings of its bins at 10 s; return its megabytes."""
    random, place = Random(1), Place(0)
    opened = open_outbox(data_dir, boot="b" * 16, machine=None, new_epoch=lambda: f"{random.getrandbits(64):016x}")
    for first in range(0, records, _APPENDED_AT_ONCE):
        drafts = [_reading(place, number, random) for number in range(first, min(records, first + _APPENDED_AT_ONCE))]
        opened.outbox.append(drafts, at=_BEGAN, uptime_ms=0, synced=True)
    opened.close(in_order=True)
    return (data_dir / "outbox.db").stat().st_size / 1e6


def _reading(place: Place, number: int, random: Random) -> Draft:
    spaced_ms = 10_000 // BINS_A_NODE
    at = _BEGAN + timedelta(milliseconds=number * spaced_ms)
    device, uptime_ms = place.sensor(number % BINS_A_NODE), 60_000 + number * spaced_ms
    record = usual_reading(device, at=at, uptime_ms=uptime_ms, random=random)
    return Draft(Lane.TELEMETRY, encode_record(record))


def _stored(rest: Rest) -> int:
    lanes = rest.get(f"nodes/{SITE}.{Place(0).node}/lanes")["items"]
    return sum(lane["stored"] for lane in lanes if lane["lane"] == "telemetry")
