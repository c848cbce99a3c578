"""rest.md §6: telemetry, events, lanes, gaps, incidents, quarantine."""

import base64
import json

import pytest

from hub.ingest.lane import LaneCounts, LaneState, TakenGap
from hub.ingest.ports import DeviceEvent, EpochEntry
from hub.ingest.quarantine import Refused
from hub.telemetry.point import LaneBatch, LaneKey, Point
from protocols.gaps import GapReason
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.rejections import MessageReason, RecordReason
from tests.integration.api.client import START_MS, Client, World

EPOCH = "9f2c4be07a1d3355"
KEY = LaneKey("demo", "pi-1", EPOCH, Lane.TELEMETRY)
PATH = "facilities/demo.bin-42/telemetry"
HOUR_MS = 3_600_000


def measure(world: World, *values: float, every_ms: int = 60_000) -> None:
    """Store readings that end now."""
    start_ms = START_MS - every_ms * len(values)
    points = [
        Point.of(
            site="demo",
            facility="bin-42",
            node="pi-1",
            device="bin-42-us",
            kind="fill_level",
            at_ms=start_ms + every_ms * n,
            seq=n + 1,
            quality=90 + n % 10,
            values={"fill_percent": value},
        )
        for n, value in enumerate(values)
    ]
    world.telemetry.append([LaneBatch(KEY, len(points), points)])


def test_raw_points_have_instant_value_and_quality(demo: Client, world: World) -> None:
    measure(world, 10.0, 11.0)
    assert demo.get(PATH, metric="fill_percent") == {
        "metric": "fill_percent",
        "every_s": None,
        "aggregate": None,
        "points": [
            {"at": format_ms(START_MS - 120_000), "value": 10.0, "quality": 90},
            {"at": format_ms(START_MS - 60_000), "value": 11.0, "quality": 91},
        ],
        "next_cursor": None,
    }


def test_the_interval_is_half_open(demo: Client, world: World) -> None:
    measure(world, *map(float, range(5)))
    window = {"from": format_ms(START_MS - 240_000), "to": format_ms(START_MS - 120_000)}
    assert [point["value"] for point in demo.get(PATH, metric="fill_percent", **window)["points"]] == [1, 2]


def test_without_an_interval_it_is_the_last_day(demo: Client, world: World) -> None:
    measure(world, *map(float, range(30)), every_ms=HOUR_MS)
    assert len(demo.get(PATH, metric="fill_percent")["points"]) == 24


def test_points_are_paged_oldest_first(demo: Client, world: World) -> None:
    measure(world, *map(float, range(25)))
    seen: list[float] = []
    cursor: dict[str, str] = {}
    while True:
        page = demo.get(PATH, metric="fill_percent", limit=10, **cursor)
        seen += [point["value"] for point in page["points"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [float(n) for n in range(25)]


def test_windows_are_aggregated(demo: Client, world: World) -> None:
    measure(world, 10.0, 20.0, 30.0, 40.0, every_ms=HOUR_MS)
    found = demo.get(PATH, metric="fill_percent", every=7200, aggregate="max")
    assert (found["every_s"], found["aggregate"]) == (7200, "max")
    assert [point["quality"] for point in found["points"]] == [None] * len(found["points"])
    assert max(point["value"] for point in found["points"]) == 40.0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "metric"),
        ({"metric": "gravity"}, "metric"),
        ({"metric": "fill_percent", "from": "noon"}, "from"),
        ({"metric": "fill_percent", "to": "1"}, "to"),
        ({"metric": "fill_percent", "every": "0"}, "every"),
        ({"metric": "fill_percent", "every": "60", "aggregate": "sorcery"}, "aggregate"),
    ],
)
def test_a_bad_query_names_its_field(demo: Client, query: dict[str, str], field: str) -> None:
    assert demo.fields("GET", PATH, params=query) == [field]


def test_the_ends_of_time_are_no_error(demo: Client) -> None:
    window = {"from": "1970-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999Z"}
    assert demo.get(PATH, metric="fill_percent", **window)["points"] == []
    backwards = {"from": window["to"], "to": window["from"]}
    assert demo.get(PATH, metric="fill_percent", **backwards)["points"] == []


def test_events_are_listed_newest_first_in_their_interval(demo: Client, world: World) -> None:
    with world.transactions.begin() as unit:
        for number in range(3):
            unit.device_events.add(
                DeviceEvent(
                    site="demo",
                    facility="demo.bin-42",
                    node="pi-1",
                    device="bin-42-us",
                    event="tamper",
                    ref=f"t-{number}",
                    at_ms=START_MS + number,
                    time_source="device",
                    received_ms=START_MS + 50,
                    quality=100,
                    details={"force": number},
                )
            )
    path = "facilities/demo.bin-42/events"
    first = demo.items(path)[0]
    assert (first["device"], first["event"], first["ref"]) == ("bin-42-us", "tamper", "t-2")
    assert (first["at"], first["time_source"], first["details"]) == (format_ms(START_MS + 2), "device", {"force": 2})
    window = {"from": format_ms(START_MS), "to": format_ms(START_MS + 2)}
    assert [item["ref"] for item in demo.items(path, **window)] == ["t-1", "t-0"]
    page = demo.get(path, limit=2)
    assert [item["ref"] for item in demo.items(path, limit=2, cursor=page["next_cursor"])] == ["t-0"]


def test_lanes_keep_their_equation_and_a_closed_epoch_tells_its_loss(demo: Client, world: World) -> None:
    state = LaneState(KEY, high_water=812, hello_next=815)
    state.counts = LaneCounts(stored=310, quarantined=2, gaps=500, duplicates=4)
    with world.transactions.begin() as unit:
        unit.lanes.save_epoch("demo", "pi-1", EpochEntry(EPOCH, 1, None, ()), START_MS)
        unit.lanes.save({}, [state])
    (lane,) = demo.items("nodes/demo.pi-1/lanes")
    assert lane == {
        "epoch": EPOCH,
        "lane": "telemetry",
        "high_water": 812,
        "produced": 814,
        "stored": 310,
        "quarantined": 2,
        "gaps": 500,
        "duplicates": 4,
        "closed_at": None,
        "loss": None,
    }
    with world.transactions.begin() as unit:
        unit.lanes.close_older("demo", "pi-1", "telemetry", 2, START_MS)
    (closed,) = demo.items("nodes/demo.pi-1/lanes")
    assert (closed["closed_at"], closed["loss"]) == (format_ms(START_MS), 2)
    demo.problem("DELETE", "nodes/demo.pi-1", status=409)


def test_gaps_and_incidents_are_listed(demo: Client, world: World) -> None:
    with world.transactions.begin() as unit:
        for number in range(3):
            gap = TakenGap(from_seq=number * 10 + 1, to_seq=number * 10 + 5, lost=5, reason=GapReason.EVICTED)
            unit.lanes.add_gap(KEY, gap, START_MS)
        unit.incidents.add(unit.new_id(), site="demo", node="pi-1", kind="gap", at_ms=START_MS, details={"to": 5})
    page = demo.get("nodes/demo.pi-1/gaps", limit=2)
    assert [gap["from"] for gap in page["items"]] == [21, 11]
    (last,) = demo.items("nodes/demo.pi-1/gaps", limit=2, cursor=page["next_cursor"])
    assert last == {
        "epoch": EPOCH,
        "lane": "telemetry",
        "from": 1,
        "to": 5,
        "reason": "evicted",
        "recorded_at": format_ms(START_MS),
    }
    for filters, count in (
        ({}, 1),
        ({"site": "demo", "node": "demo.pi-1", "kind": "gap"}, 1),
        ({"node": "pi-1"}, 1),
        ({"node": "demo.pi-2"}, 0),
        ({"site": "other", "node": "demo.pi-1"}, 0),
        ({"kind": "cloned"}, 0),
    ):
        found = demo.items("incidents", **filters)
        assert [item["node"] for item in found] == ["demo.pi-1"] * count, filters


def hold(world: World, *, device: str = "bin-9-us", reason: RecordReason = RecordReason.UNKNOWN_DEVICE) -> str:
    """Quarantine a reading of a device that is not registered, as ingest does; gives its id."""
    record = {"device": device, "kind": "fill_level", "at": None, "quality": 95, "values": {"fill_percent": 41}}
    record["uptime_ms"] = 1
    header = {"schema": 1, "epoch": EPOCH, "first": 1, "boot": "b" * 16, "clock": "unsynced"}
    state = LaneState(KEY, high_water=1)
    state.counts = LaneCounts(quarantined=1)
    with world.transactions.begin() as unit:
        unit.lanes.save_epoch("demo", "pi-1", EpochEntry(EPOCH, 1, None, ()), START_MS)
        unit.lanes.save({}, [state])
        held, _ = unit.quarantine.hold(
            Refused(
                received_ms=START_MS,
                site="demo",
                node="pi-1",
                lane="telemetry",
                epoch=EPOCH,
                seq=1,
                reason=reason,
                detail="device is not registered",
                raw=json.dumps(record).encode(),
                header=json.dumps(header),
            ),
            unit.new_id(),
        )
    return held


def test_a_quarantined_record_is_shown_as_received(demo: Client, world: World) -> None:
    held = hold(world)
    (item,) = demo.items("quarantine")
    assert item == demo.get(f"quarantine/{held}")
    assert (item["site"], item["node"], item["lane"], item["epoch"], item["seq"]) == (
        "demo",
        "pi-1",
        "telemetry",
        EPOCH,
        1,
    )
    assert (item["reason"], item["state"], item["count"]) == ("unknown_device", "held", 1)
    assert json.loads(base64.b64decode(item["raw_base64"]))["device"] == "bin-9-us"
    for filters, count in (
        ({"site": "demo"}, 1),
        ({"node": "pi-1"}, 1),
        ({"node": "demo.pi-1"}, 1),
        ({"reason": "unknown_device"}, 1),
        ({"reason": "malformed_json"}, 0),
        ({"state": "released"}, 0),
    ):
        assert len(demo.items("quarantine", **filters)) == count, filters
    assert demo.fields("GET", "quarantine", params={"reason": "boredom"})[0].startswith("reason")


def test_release_says_what_still_stands_in_the_way(demo: Client, world: World) -> None:
    held = hold(world)
    assert "unknown_device" in demo.problem("POST", f"quarantine/{held}/release", {}, status=409)["detail"]
    assert demo.get(f"quarantine/{held}")["state"] == "held"


def test_release_admits_the_record_and_moves_its_count(demo: Client, world: World) -> None:
    held = hold(world)
    demo.post("facilities", {"site": "demo", "slug": "bin-9", "kind": "bin", "name": "B"})
    device = {"site": "demo", "slug": "bin-9-us", "kind": "fill_level", "facility": "demo.bin-9", "node": "demo.pi-1"}
    demo.post("devices", device)
    released = demo.post(f"quarantine/{held}/release", {"comment": "registered now"})
    assert (released["state"], released["comment"]) == ("released", "registered now")
    (lane,) = demo.items("nodes/demo.pi-1/lanes")
    assert (lane["stored"], lane["quarantined"]) == (1, 0)
    points = demo.get("facilities/demo.bin-9/telemetry", metric="fill_percent")["points"]
    assert [point["value"] for point in points] == [41.0]
    demo.problem("POST", f"quarantine/{held}/release", {}, status=409)


def test_discard_is_for_good_and_names_who_decided(demo: Client, world: World) -> None:
    held = hold(world)
    discarded = demo.post(f"quarantine/{held}/discard", {"comment": "noise"})
    assert (discarded["state"], len(discarded["decided_by"])) == ("discarded", 26)
    demo.problem("POST", f"quarantine/{held}/release", {}, status=409)


def test_a_decision_on_a_quarantined_record_is_audited(demo: Client, world: World) -> None:
    held = hold(world)
    demo.post(f"quarantine/{held}/discard", {"comment": "noise"})
    line = demo.items("audit", site="demo")[0]
    assert (line["action"].split("/")[-1], line["object"]) == ("discard", held)


def test_what_came_under_an_unknown_site_is_seen_by_who_sees_every_site(demo: Client, world: World) -> None:
    with world.transactions.begin() as unit:
        refused = Refused(START_MS, "ghost", "pi-9", "event", None, None, MessageReason.UNKNOWN_NODE, "d", b"x", "hash")
        unit.quarantine.hold(refused, unit.new_id())
    assert [item["site"] for item in demo.items("quarantine")] == ["ghost"]


def test_what_is_not_there_is_404(demo: Client) -> None:
    for path in ("quarantine/nothing", "nodes/demo.no/lanes", "nodes/demo.no/gaps", "facilities/demo.no/events"):
        demo.problem("GET", path, status=404)
