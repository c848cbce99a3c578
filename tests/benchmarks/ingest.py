"""CPU and memory for readings from broker to InfluxDB: the hub, Node-RED beside it, bare paho below."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.hub_process import ADMIN
from tests.benchmarks.child import SMALLEST_CPU_S, Child, usage
from tests.benchmarks.community import SITE
from tests.benchmarks.fleet import Load, Manner
from tests.benchmarks.measured import Report
from tests.benchmarks.node_red import NodeRedMissing, find_node_red, start_node_red
from tests.benchmarks.stage import Stage

AIMS: Final = {20: 0.3, 1: 0.5}
"""Records a message → the share of Node-RED's CPU that all of the hub's work may take."""
ALERTED_AFTER: Final = 1_000
"""Readings of a node by which its filling bins have crossed the threshold."""
LONE_RATE: Final = 1_000.0
LONE_SHARE: Final = 5
_LIMIT_S: Final = 240.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run cost its consumer."""

    cpu_us: float
    """CPU a reading, in µs."""
    rate: float
    """Readings a second."""
    peak_rss_mb: float


class Meter:
    """Reads a consumer's CPU when the load begins and when it is through."""

    def __init__(self, pid: int, readings: int) -> None:
        self._pid = pid
        self._readings = readings

    @contextmanager
    def running(self, costs: list[Cost]) -> Generator[None]:
        """Measure the block."""
        before, begun_s = usage(self._pid), time.monotonic()
        yield
        seconds, after = time.monotonic() - begun_s, usage(self._pid)
        cpu_us = max(after.cpu_s - before.cpu_s, SMALLEST_CPU_S) / self._readings * 1e6
        costs.append(Cost(cpu_us, self._readings / seconds, after.peak_rss_mb))


def measure(stage: Stage, report: Report) -> None:
    """20 and 1 records a message; the consumers take turns, so that a busy minute of the machine hits them all."""
    consumers: dict[str, Callable[[Stage, int, list[Cost]], None]] = {"bare paho": run_paho, "linli": run_hub}
    if stage.sizes.neighbour:
        try:
            find_node_red()
            consumers["node-red"] = run_node_red
        except NodeRedMissing as reason:
            report.note(str(reason))
    for records in stage.sizes.records:
        costs: dict[str, list[Cost]] = {name: [] for name in consumers}
        for run in range(stage.sizes.runs):
            for name, consume in consumers.items():
                consume(stage, records, costs[name])
                cost = costs[name][-1]
                stage.say(
                    f"{records} a message, run {run + 1}: {name} {cost.cpu_us:.1f} µs a reading,"
                    f" {cost.rate:,.0f} a second"
                )
        _tell(report, records, costs)


def run_hub(stage: Stage, records: int, costs: list[Cost]) -> None:
    """The hub takes it all from edges that wait for its acknowledgement."""
    readings = stage.sizes.readings
    database = stage.database("linli")
    with stage.hub(database) as hub, stage.fleet(_load(stage, records, Manner.EDGE)) as fleet:
        time.sleep(stage.sizes.settle_s)  # what the greeting left to do is not the readings' cost
        with Meter(hub.pid, readings).running(costs):
            fleet.say("go")
            fleet.await_line("done", within_s=_LIMIT_S)
            stage.await_stored(database, readings, within_s=_LIMIT_S)
        stored = metric(hub.url, "linli_records_stored_total", lane="telemetry")
        assert stored == readings, f"the hub says it stored {stored:g} of {readings}"
        assert metric(hub.url, "linli_conservation_residual") == 0
        rest = Rest(hub.url).login(*ADMIN)
        alerts = rest.items("alerts", site=SITE, fault_code="binFull", limit=200)
        rest.close()
        if readings >= stage.sizes.nodes * ALERTED_AFTER:
            assert alerts, "bins were filled, so there must be alerts"


def run_paho(stage: Stage, records: int, costs: list[Cost]) -> None:
    """The floor takes the same messages and throws them away."""
    readings = stage.sizes.readings
    load = _load(stage, records, Manner.FLOOD)
    messages = sum(-(-(share or 0) // records) for share in load.shares())
    with (
        Child.python("tests.benchmarks.bare_paho", "receive", str(load.port), str(messages)) as floor,
        stage.fleet(load) as fleet,
    ):
        floor.await_line("ready", within_s=30)
        with floor.frozen():
            _pour(fleet)
        with Meter(floor.pid, readings).running(costs):
            floor.await_line("done", within_s=_LIMIT_S)


def run_node_red(stage: Stage, records: int, costs: list[Cost]) -> None:
    """Node-RED parses the same messages and writes them to the same InfluxDB, a call a message.

    Lone readings come live, a part of them: of a backlog it would open a connection for every message at once.
    """
    lone = records == 1
    readings = stage.sizes.readings // LONE_SHARE if lone else stage.sizes.readings
    load = replace(_load(stage, records, Manner.FLOOD), readings=readings, rate=LONE_RATE if lone else None)
    database = stage.database("node_red")
    folder = stage.folder / f"node-red-{stage.number()}"
    with (
        start_node_red(
            folder, mqtt_port=stage.broker.port, influx_port=stage.influx.port, database=database
        ) as node_red,
        stage.fleet(load) as fleet,
    ):
        if not lone:
            with node_red.frozen():
                _pour(fleet)
        with Meter(node_red.pid, readings).running(costs):
            if lone:
                _pour(fleet)
            stage.await_stored(database, readings, within_s=_LIMIT_S)
    shutil.rmtree(folder)


def _pour(fleet: Child) -> None:
    """Have the broker hold every message before its consumer takes the first."""
    fleet.say("go")
    fleet.await_line("done", within_s=_LIMIT_S)


def _load(stage: Stage, records: int, manner: Manner) -> Load:
    sizes = stage.sizes
    return Load(stage.broker.port, sizes.nodes, records, sizes.readings, manner, run=stage.number())


def _tell(report: Report, records: int, costs: dict[str, list[Cost]]) -> None:
    benchmark = f"readings, {records} a message"
    for name, runs in costs.items():
        report.add(benchmark, name, "CPU a reading", (run.cpu_us for run in runs), unit="µs")
        report.add(benchmark, name, "readings a second", (run.rate for run in runs), unit="1/s")
        report.add(benchmark, name, "peak memory", (run.peak_rss_mb for run in runs), unit="MB")
    hub = report.median(benchmark, "linli", "CPU a reading")
    report.add(
        benchmark, "linli", "CPU ÷ bare paho", hub / report.median(benchmark, "bare paho", "CPU a reading"), unit=""
    )
    if "node-red" in costs:
        share = hub / report.median(benchmark, "node-red", "CPU a reading")
        report.add(benchmark, "linli", "CPU ÷ Node-RED", share, unit="", aim=AIMS[records])
