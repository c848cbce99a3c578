"""wire.md §2: every kind with every field, every event in its lane, the example of the page."""

import pytest

from tests.acceptance.outside.client_rest import Json
from tests.acceptance.outside.neighbourhood import Neighbourhood

KINDS: dict[str, Json] = {
    "fill_level": {
        "fill_percent": 41.5,
        "distance_mm": 412.0,
        "temperature_c": 24.5,
        "battery_percent": 88,
        "tilt_deg": 3,
    },
    "lamp": {
        "power_w": 58.2,
        "commanded_percent": 100,
        "on": True,
        "voltage_v": 229.7,
        "current_a": 0.26,
        "power_factor": 0.97,
        "energy_wh": 120_500,
        "burn_hours": 2_044,
        "illuminance_lux": 11,
    },
    "vitals": {
        "heart_rate_bpm": 71,
        "spo2_percent": 97,
        "respiration_per_min": 15,
        "skin_temperature_c": 33.4,
        "worn": True,
        "contact": True,
        "confidence_percent": 90,
        "motion_mg": 12,
        "battery_percent": 76,
    },
    "node_health": {
        "outbox_rows": 12,
        "outbox_oldest_s": 40,
        "disk_free_percent": 71,
        "cpu_percent": 12.5,
        "cpu_temperature_c": 51.2,
        "memory_mb": 38,
        "undervoltage": False,
    },
}
FACILITY = {"fill_level": "bin", "lamp": "streetlight", "vitals": "wristband", "node_health": "streetlight"}
LIFE_SAFETY = ("sos_pressed", "sos_cancelled", "fall_detected", "fall_cancelled")
EVENTS = (
    "tamper",
    "lid_opened",
    "lid_closed",
    "moved",
    "button_pressed",
    "fire_suspected",
    "outbox_reset",
    "clock_stepped",
    "low_disk",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_is_stored(site: Neighbourhood, kind: str) -> None:
    client = site.online()
    site.facility("thing", FACILITY[kind])
    site.device("sensor", kind, facility="thing")
    client.deliver("telemetry", client.reading("sensor", kind, KINDS[kind]))
    assert site.lane(client, "telemetry")["stored"] == 1
    for metric, value in KINDS[kind].items():
        (point,) = site.wait_points(site.id("thing"), metric, 1)
        assert point["value"] == pytest.approx(float(value)), metric


@pytest.mark.parametrize("kind", KINDS)
def test_the_required_field_alone_is_enough(site: Neighbourhood, kind: str) -> None:
    client = site.online()
    site.facility("thing", FACILITY[kind])
    site.device("sensor", kind, facility="thing")
    required = next(iter(KINDS[kind]))
    client.deliver("telemetry", client.reading("sensor", kind, {required: KINDS[kind][required]}))
    assert site.lane(client, "telemetry")["stored"] == 1


def test_every_event_of_the_event_lane_is_stored(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.deliver("event", *(client.event(device, name, f"ref-{name}") for name in EVENTS))
    assert site.lane(client, "event")["stored"] == len(EVENTS)
    stored = site.admin.items(f"facilities/{facility}/events")
    assert {item["event"] for item in stored} == set(EVENTS)


def test_every_event_of_the_sos_lane_is_stored(site: Neighbourhood) -> None:
    client = site.online()
    wearer, band = site.band()
    client.deliver("sos", *(client.event(band, name, f"ref-{name}") for name in LIFE_SAFETY))
    assert site.lane(client, "sos")["stored"] == len(LIFE_SAFETY)
    stored = site.admin.items(f"facilities/{wearer}/events")
    assert {item["event"] for item in stored} == set(LIFE_SAFETY)


def test_the_message_of_the_page_is_taken_as_it_stands(site: Neighbourhood) -> None:
    """A reading, a gap that reaches 5000 and a press in one telemetry message, its times brought to now."""
    client = site.online()
    site.bin("bin-0042")
    wearer, band = site.band()
    client.hello("telemetry", 5002)
    client.send("telemetry", 1, [client.gap(411)])
    client.wait_ack("telemetry", 411)
    records = [
        {
            "device": "bin-0042-us",
            "kind": "fill_level",
            **client.stamp(2),
            "quality": 95,
            "values": {"distance_mm": 412.0, "fill_percent": 81.0, "temperature_c": 24.5, "battery_percent": 88},
        },
        client.gap(5000),
        {
            "device": band,
            "event": "sos_pressed",
            "ref": "band-07:1187",
            **client.stamp(1),
            "quality": 100,
            "details": {},
        },
    ]
    client.send("telemetry", 412, records)
    assert client.wait_ack("telemetry", 5001)["hw"] == 5001
    alert = site.alert("sosPressed", "firing")
    assert (alert["facility"], alert["refs"]) == (wearer, ["band-07:1187"])
    lane = site.lane(client, "telemetry")
    assert (lane["stored"], lane["gaps"], lane["produced"]) == (2, 4999, 5001)
