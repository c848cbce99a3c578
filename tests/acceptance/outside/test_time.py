"""wire.md §5: the effective time of a record, its source, and what is late."""

import time
from datetime import datetime, timedelta

import pytest

from tests.acceptance.outside.client_node import OMIT, Boot, rfc3339, utc_now
from tests.acceptance.outside.client_rest import instant
from tests.acceptance.outside.neighbourhood import WHOLE, Neighbourhood


def near(text: str, wanted: datetime, *, within_s: float = 1.5) -> None:
    off_s = abs((instant(text) - wanted).total_seconds())
    assert off_s <= within_s, f"{text} is {off_s} s off {wanted}"


def test_a_synced_plausible_time_stands_to_the_millisecond(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    at = rfc3339(utc_now() - timedelta(minutes=3))
    client.deliver("telemetry", client.fill(device, 10, at=at))
    (point,) = site.wait_points(facility, "fill_percent", 1)
    assert instant(point["at"]) == instant(at)


@pytest.mark.parametrize(
    "at",
    [
        "1970-01-01T00:00:12.000Z",
        "2024-12-31T23:59:59.999Z",
        "2100-01-01T00:00:00.000Z",
        None,
        "yesterday, after lunch",
        "2026-13-45T99:00:00.000Z",
        "",
    ],
)
def test_an_implausible_time_is_told_from_the_uptime_of_now(site: Neighbourhood, at: str | None) -> None:
    client = site.online()
    facility, device = site.bin()
    wanted = utc_now() - timedelta(seconds=40)
    client.deliver("telemetry", client.fill(device, 10, ago_s=40, at=at))
    (point,) = site.wait_points(facility, "fill_percent", 1)
    near(point["at"], wanted)
    lane = site.lane(client, "telemetry")
    assert (lane["stored"], lane["quarantined"]) == (1, 0)


def test_six_minutes_ahead_is_not_plausible_and_four_are(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    four, six = utc_now() + timedelta(minutes=4), utc_now() + timedelta(minutes=6)
    client.deliver("telemetry", client.fill(device, 10, at=rfc3339(six)), client.fill(device, 11, at=rfc3339(four)))
    by_value = {point["value"]: point["at"] for point in site.wait_points(facility, "fill_percent", 2)}
    near(by_value[10], utc_now(), within_s=10)
    assert instant(by_value[11]) == four


def test_the_first_moment_of_2025_is_plausible(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.deliver("telemetry", client.fill(device, 10, at="2025-01-01T00:00:00.000Z"))
    (point,) = site.wait_points(facility, "fill_percent", 1)
    assert point["at"].startswith("2025-01-01T00:00:00")


def test_an_unsynced_clock_is_not_believed_even_when_it_sounds_right(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    wanted = utc_now() - timedelta(seconds=20)
    record = client.fill(device, 10, ago_s=20, at=rfc3339(utc_now() - timedelta(days=2)))
    client.deliver("telemetry", record, clock="unsynced")
    (point,) = site.wait_points(facility, "fill_percent", 1)
    near(point["at"], wanted)


def test_a_former_boot_is_dated_by_its_anchor(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    former = Boot()
    anchor_at = utc_now() - timedelta(hours=5)
    client.deliver(
        "telemetry",
        client.fill(device, 10, at="1970-01-01T00:01:00.000Z", uptime_ms=60_000),
        boot=former.name,
        clock="unsynced",
        now=OMIT,
        anchor={"at": rfc3339(anchor_at), "uptime_ms": 360_000},
    )
    (point,) = site.wait_points(facility, "fill_percent", 1)
    assert instant(point["at"]) == anchor_at - timedelta(minutes=5)


def test_without_now_and_anchor_a_record_lies_between_its_neighbours_and_is_marked_bounded(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    early, late = utc_now() - timedelta(hours=2), utc_now() - timedelta(hours=1)
    client.deliver("event", client.event(device, "lid_opened", "l-1", at=rfc3339(early)))
    lost = client.event(device, "lid_closed", "l-2", at=None, uptime_ms=5_000)
    client.deliver("event", lost, boot=Boot().name, clock="unsynced", now=OMIT)
    client.deliver("event", client.event(device, "lid_opened", "l-3", at=rfc3339(late)))
    events = site.admin.wait(
        lambda: found if len(found := site.admin.items(f"facilities/{facility}/events", **WHOLE)) == 3 else None,
        what="three events",
    )
    by_ref = {item["ref"]: item for item in events}
    assert early <= instant(by_ref["l-2"]["at"])
    assert by_ref["l-2"]["time_source"] == "bounded"
    assert by_ref["l-1"]["time_source"] == by_ref["l-3"]["time_source"] != "bounded"
    assert instant(by_ref["l-1"]["at"]) == early


def test_the_time_of_a_record_is_fixed_at_its_first_commit(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    record = client.fill(device, 10, ago_s=30, at=None)
    client.deliver("telemetry", record)
    (first,) = site.wait_points(facility, "fill_percent", 1)
    time.sleep(0.3)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [{**record, "at": rfc3339(utc_now())}])
    client.wait_ack("telemetry", 1, since=mark)
    assert site.points(facility, "fill_percent") == [first]


def test_equal_instants_do_not_overwrite_each_other(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    at = rfc3339(utc_now())
    client.deliver("telemetry", *(client.fill(device, percent, at=at) for percent in (10, 20, 30)))
    points = site.wait_points(facility, "fill_percent", 3)
    assert sorted(point["value"] for point in points) == [10, 20, 30]


def test_a_reading_older_than_the_newest_evaluated_is_history_and_calls_nobody(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    site.rule("binFull", confirm_readings=1)
    client.deliver("telemetry", client.fill(device, 10))
    client.deliver("telemetry", client.fill(device, 95, ago_s=60), client.fill(device, 96, ago_s=50))
    assert len(site.wait_points(facility, "fill_percent", 3)) == 3
    time.sleep(0.5)
    assert site.alerts() == []
    client.deliver("telemetry", client.fill(device, 97))
    assert site.alert("binFull", "firing")["value"] == 97


@pytest.mark.parametrize(("ago_s", "interval_s", "called"), [(400, 60, False), (200, 60, True), (400, 3600, True)])
def test_a_reading_older_than_five_minutes_and_two_intervals_is_late(
    site: Neighbourhood, ago_s: int, interval_s: int, *, called: bool
) -> None:
    client = site.online()
    facility, device = site.bin(interval_s=interval_s)
    site.rule("binFull", confirm_readings=1)
    client.deliver("telemetry", client.fill(device, 95, ago_s=ago_s))
    site.wait_points(facility, "fill_percent", 1)
    if called:
        site.alert("binFull", "firing")
    else:
        time.sleep(0.5)
        assert site.alerts(fault_code="binFull") == []


def test_a_late_sos_calls_with_its_age(site: Neighbourhood) -> None:
    client = site.online()
    wearer, band = site.band()
    pressed_at = utc_now() - timedelta(hours=2)
    client.deliver("sos", client.event(band, "sos_pressed", "band-07:1", at=rfc3339(pressed_at)))
    alert = site.alert("sosPressed", "firing")
    assert alert["facility"] == wearer
    assert alert["late"] is True
    (event,) = site.admin.items(f"facilities/{wearer}/events", **WHOLE)
    assert instant(event["at"]) == pressed_at


@pytest.mark.parametrize("at", ["1970-01-01T00:00:12.000Z", "2100-01-01T00:00:00.000Z", None])
def test_an_sos_with_a_broken_clock_calls_just_the_same(site: Neighbourhood, at: str | None) -> None:
    client = site.online()
    wearer, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "band-07:1", at=at), clock="unsynced")
    alert = site.alert("sosPressed", "firing")
    assert alert["facility"] == wearer
    near(alert["fired_at"], utc_now(), within_s=5)
