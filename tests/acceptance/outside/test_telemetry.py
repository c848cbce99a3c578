"""rest.md §6 and wire.md §8: readings as REST gives them and as they lie in InfluxDB."""

import time
from datetime import timedelta

import pytest

from tests.acceptance.outside.client_node import rfc3339, utc_now
from tests.acceptance.outside.client_rest import instant
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World


def test_raw_points_have_time_value_and_quality_and_the_interval_is_half_open(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    start = utc_now() - timedelta(minutes=4)
    times = [start + timedelta(seconds=n) for n in range(4)]
    client.deliver(
        "telemetry", *(client.fill(device, 10 + n, at=rfc3339(at), quality=90 + n) for n, at in enumerate(times))
    )
    points = site.wait_points(facility, "fill_percent", 4)
    assert [(instant(point["at"]), point["value"], point["quality"]) for point in points] == [
        (at, 10 + n, 90 + n) for n, at in enumerate(times)
    ]
    window = {"from": rfc3339(times[1]), "to": rfc3339(times[3])}
    assert [point["value"] for point in site.points(facility, "fill_percent", **window)] == [11, 12]


def test_raw_points_are_paged(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.deliver("telemetry", *(client.fill(device, n % 50, ago_s=200 - n) for n in range(150)))
    site.wait_points(facility, "fill_percent", 150)
    path, params = f"facilities/{facility}/telemetry", {"metric": "fill_percent", "limit": 60}
    sizes, cursor, seen = [], None, []
    while True:
        page = site.admin.get(path, **params, **({"cursor": cursor} if cursor else {}))
        sizes.append(len(page["points"]))
        seen += [point["at"] for point in page["points"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [60, 60, 30]
    assert len(set(seen)) == 150


@pytest.mark.parametrize(("aggregate", "wanted"), [("mean", 20.0), ("min", 10.0), ("max", 30.0)])
def test_points_are_aggregated_over_windows(site: Neighbourhood, aggregate: str, wanted: float) -> None:
    client = site.online()
    facility, device = site.bin()
    hour = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    records = [
        client.fill(device, value, at=rfc3339(hour + timedelta(hours=h, minutes=m)))
        for h in (0, 2)
        for m, value in ((1, 10), (20, 20), (40, 30))
    ]
    client.deliver("telemetry", *records)
    site.wait_points(facility, "fill_percent", 6)
    answer = site.admin.get(
        f"facilities/{facility}/telemetry",
        metric="fill_percent",
        **{"from": rfc3339(hour), "to": rfc3339(hour + timedelta(hours=4)), "every": 3600, "aggregate": aggregate},
    )
    assert (answer["metric"], answer["every_s"], answer["aggregate"]) == ("fill_percent", 3600, aggregate)
    assert [(instant(point["at"]), point["value"]) for point in answer["points"]] == [
        (hour, wanted),
        (hour + timedelta(hours=2), wanted),
    ]


def test_a_bad_query_names_its_field(site: Neighbourhood) -> None:
    facility, _ = (site.node(), site.bin())[1]
    path = f"facilities/{facility}/telemetry"
    assert site.admin.problem("GET", path, status=422).fields == ["metric"]
    assert site.admin.problem("GET", path, params={"metric": "fill_percent", "from": "noon"}, status=422).fields == [
        "from"
    ]
    bad = {"metric": "fill_percent", "every": 3600, "aggregate": "sorcery"}
    assert site.admin.problem("GET", path, params=bad, status=422).fields == ["aggregate"]
    site.admin.problem("GET", path, params={"metric": "fill_percent", "every": 0}, status=422)


def test_a_metric_without_points_is_empty(site: Neighbourhood) -> None:
    site.node()
    facility, _ = site.bin()
    assert site.points(facility, "fill_percent") == []


def test_every_field_of_a_reading_is_a_metric_and_booleans_are_0_and_1(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.lamp()
    values = {"power_w": 58.5, "commanded_percent": 100, "on": True, "voltage_v": 229}
    client.deliver("telemetry", client.reading(device, "lamp", values))
    for metric, value in (("power_w", 58.5), ("commanded_percent", 100.0), ("on", 1.0), ("voltage_v", 229.0)):
        assert [point["value"] for point in site.wait_points(facility, metric, 1)] == [value]


def test_in_influxdb_time_carries_the_seq_tags_are_slugs_and_every_field_is_a_float(
    site: Neighbourhood, world: World
) -> None:
    client = site.online()
    _, device = site.bin()
    at = rfc3339(utc_now() - timedelta(seconds=30))
    values = {"fill_percent": 41, "distance_mm": 412, "battery_percent": 88}
    client.deliver("telemetry", *(client.reading(device, "fill_level", values, at=at) for _ in range(3)))
    rows = site.admin.wait(
        lambda: found if len(found := world.influx.points("fill_level", site.slug)) == 3 else None,
        what="three points in InfluxDB",
    )
    base_ns = int(instant(at).timestamp() * 1000) * 1_000_000
    assert sorted(row["time"] - base_ns for row in rows) == [1, 2, 3]
    for row in rows:
        assert (row["site"], row["facility"], row["node"], row["device"]) == (site.slug, "bin-42", "pi-1", device)
        assert (row["fill_percent"], row["distance_mm"], row["battery_percent"], row["quality"]) == (41, 412, 88, 95)
    kinds = {row["fieldKey"]: row["fieldType"] for row in world.influx.query("SHOW FIELD KEYS FROM fill_level")}
    assert set(kinds.values()) == {"float"}
    tags = {row["tagKey"] for row in world.influx.query("SHOW TAG KEYS FROM fill_level")}
    assert tags == {"site", "facility", "node", "device"}


def test_a_record_sent_again_overwrites_itself_in_influxdb(site: Neighbourhood, world: World) -> None:
    client = site.online()
    _, device = site.bin()
    record = client.fill(device, 41)
    client.deliver("telemetry", record)
    for _ in range(3):
        client.send("telemetry", 1, [record])
    client.deliver("telemetry", client.fill(device, 42))
    site.admin.wait(lambda: len(world.influx.points("fill_level", site.slug)) == 2, what="two points in InfluxDB")
    time.sleep(0.5)
    assert len(world.influx.points("fill_level", site.slug)) == 2


def test_vitals_carry_no_person_in_tags(site: Neighbourhood, world: World) -> None:
    client = site.online()
    facility, band = site.band()
    client.deliver("telemetry", client.reading(band, "vitals", {"heart_rate_bpm": 71, "worn": True}))
    assert site.wait_points(facility, "heart_rate_bpm", 1)[0]["value"] == 71
    site.admin.wait(lambda: world.influx.points("vitals", site.slug), what="the vitals in InfluxDB")
    tags = {row["tagKey"] for row in world.influx.query("SHOW TAG KEYS FROM vitals")}
    assert tags == {"site", "facility", "node", "device"}


def test_another_sites_telemetry_is_404(site: Neighbourhood, other_site: Neighbourhood) -> None:
    site.node()
    facility, _ = site.bin()
    stranger, _ = other_site.caller("op", "operator")
    stranger.problem("GET", f"facilities/{facility}/telemetry", params={"metric": "fill_percent"}, status=404)
    stranger.problem("GET", f"facilities/{facility}/events", status=404)


def test_events_are_stored_with_their_details_and_one_fact_is_one_fact(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    tamper = client.event(device, "tamper", "t-1", details={"force": 3, "note": "kicked"})
    client.deliver("event", tamper, client.event(device, "lid_opened", "l-1"))
    (event,) = [item for item in site.admin.items(f"facilities/{facility}/events") if item["event"] == "tamper"]
    assert (event["device"], event["ref"], event["details"]) == (device, "t-1", {"force": 3, "note": "kicked"})
    assert instant(event["at"]) == instant(tamper["at"])
    assert event["time_source"]
    since = {"from": rfc3339(utc_now() + timedelta(hours=1))}
    assert site.admin.items(f"facilities/{facility}/events", **since) == []
    client.deliver("event", tamper)
    again = site.admin.items(f"facilities/{facility}/events")
    assert len([item for item in again if item["event"] == "tamper"]) == 1
    assert site.lane(client, "event")["stored"] == 3


def test_node_health_is_a_reading_like_any_other(site: Neighbourhood) -> None:
    client = site.online()
    site.facility("cabinet", "streetlight")
    site.device("pi-1-health", "node_health", facility="cabinet")
    client.deliver(
        "telemetry", client.reading("pi-1-health", "node_health", {"outbox_rows": 12, "undervoltage": False})
    )
    assert site.lane(client, "telemetry")["stored"] == 1
    assert site.wait_points(site.id("cabinet"), "outbox_rows", 1)[0]["value"] == 12
