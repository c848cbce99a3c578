"""The benchmarks work: each with tiny numbers, on real servers. What they measure here says nothing."""

import json
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from protocols.codec import DecodedLaneMessage, decode_hello, decode_lane_message
from protocols.hello import Hello
from protocols.lanes import Lane
from tests.benchmarks import drain, edge_agent, hub_start, ingest, sos, webhook
from tests.benchmarks.child import Child
from tests.benchmarks.community import Place, TelemetryLane
from tests.benchmarks.measured import Report, percentile
from tests.benchmarks.node_red import flows
from tests.benchmarks.stage import Sizes, Stage

NOW_MS = 1_796_000_000_000
TINY = Sizes(
    readings=200,
    records=(20,),
    runs=1,
    nodes=2,
    presses=4,
    conditions=3,
    facilities=(10,),
    edge_s=0.5,
    drained=400,
    settle_s=0,
    warm_up_s=0.2,
    neighbour=False,
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    with Stage.open(tmp_path_factory.mktemp("benchmarks"), TINY, say=print) as made:
        yield made


def told(report: Report, benchmark: str) -> dict[tuple[str, str], float]:
    return {(one.subject, one.quantity): one.median for one in report.figures if one.benchmark == benchmark}


def test_every_reading_of_a_run_reaches_influxdb_and_its_cost_is_told(stage: Stage) -> None:
    report = Report()
    ingest.measure(stage, report)
    figures = told(report, "readings, 20 a message")
    assert figures["linli", "readings a second"] > 0
    assert figures["linli", "peak memory"] > figures["bare paho", "peak memory"] > 0
    assert figures["linli", "CPU ÷ bare paho"] > 0


def test_an_outbox_is_drained_to_its_last_record(stage: Stage) -> None:
    report = Report()
    drain.measure(stage, report)
    figures = told(report, drain.BENCHMARK)
    assert figures["linli", "records a second"] > 0
    assert figures["linli", "outbox of a million"] > 0


def test_every_press_is_answered_beside_telemetry(stage: Stage) -> None:
    report = Report()
    sos.measure_beside(stage, report, busy=True)
    figures = told(report, sos.BUSY)
    assert 0 < figures["linli", "p50"] <= figures["linli", "p99"] == figures["linli", "max of 4"]
    assert figures["linli", "telemetry beside it"] > 0


def test_every_condition_is_called(stage: Stage) -> None:
    report = Report()
    webhook.measure(stage, report)
    assert told(report, webhook.BENCHMARK)["linli", "max of 3"] > 0


def test_a_hub_starts_on_the_directory_that_is_made_for_it(stage: Stage) -> None:
    report = Report()
    hub_start.measure(stage, report)
    assert told(report, "hub start")["10 facilities", "exec → ready"] > 0


def test_the_edge_agent_is_measured_while_it_delivers(stage: Stage) -> None:
    report = Report()
    edge_agent.measure(stage, report)
    figures = told(report, edge_agent.BENCHMARK)
    for agent in (edge_agent.LINLI, edge_agent.OUT_OF_STEP):
        assert figures[agent, "memory"] > 0
        assert 0 < figures[agent, "exec → connected"] < 30
        assert figures[agent, "written"] >= 0
    assert (edge_agent.BARE_SQLITE, "written") in figures


def test_the_floor_of_the_edge_commits_each_of_its_records_alone(tmp_path: Path) -> None:
    with Child.python("tests.benchmarks.bare_sqlite", str(tmp_path / "bare.db"), "3", "60", "143") as floor:
        floor.await_line("ready", within_s=30)
        wal = tmp_path / "bare.db-wal"
        deadline_s = time.monotonic() + 10
        while len(committed := _commits(wal.read_bytes())) < 4:
            assert time.monotonic() < deadline_s, committed
            time.sleep(0.02)
    assert len(committed) == 4, "the table, and three records"


def _commits(wal: bytes) -> list[int]:
    """Pages of the database after each commit that a write-ahead log holds (sqlite.org, file format, section 4)."""
    header, frame = 32, 24 + 4096
    sizes = [int.from_bytes(wal[at + 4 : at + 8], "big") for at in range(header, len(wal) - frame + 1, frame)]
    return [size for size in sizes if size]


@pytest.mark.parametrize(("records", "smallest", "largest"), [(20, 4_000, 4_500), (1, 340, 390)])
def test_a_lane_message_is_one_of_the_contract_and_of_the_size_of_the_neighbours(
    records: int, smallest: int, largest: int
) -> None:
    lane = TelemetryLane(Place(3), records_a_message=records, epoch="00000000000000a1", start_ms=NOW_MS)
    hello = decode_hello(lane.hello(NOW_MS), lane=Lane.TELEMETRY)
    assert isinstance(hello, Hello)
    assert hello.next == 1
    last_seq, payload = lane.message(NOW_MS)
    decoded = decode_lane_message(payload)
    assert isinstance(decoded, DecodedLaneMessage)
    assert len(decoded.records) == records == last_seq
    assert smallest <= len(payload) <= largest


def test_a_report_tells_the_least_the_median_and_whether_the_aim_was_met(tmp_path: Path) -> None:
    report = Report()
    report.add("readings", "linli", "CPU", [3.0, 1.0, 2.0], unit="µs", aim=1.5)
    report.note("Node-RED was not measured")
    report.write(tmp_path / "figures.json")
    (figure,) = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert (figure["min"], figure["median"], figure["met"]) == (1.0, 2.0, False)
    assert "MISSED" in report.table()
    assert report.table().endswith("Node-RED was not measured")


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_the_neighbours_flow_is_joined_from_end_to_end() -> None:
    nodes = {node["id"]: node for node in flows(1883, 8086, "db")}
    ((after_in,),), ((after_map,),) = nodes["in"]["wires"], nodes["map"]["wires"]
    assert (nodes[after_in]["type"], nodes[after_map]["type"]) == ("function", "influxdb batch")
    assert nodes[nodes["in"]["broker"]]["port"] == "1883"
    assert nodes[nodes["out"]["influxdb"]]["database"] == "db"
