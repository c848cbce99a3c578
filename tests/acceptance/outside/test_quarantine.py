"""rest.md §6 and wire.md §3.2, §3.3: every reason, what it consumes, release and discard."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.acceptance.outside.client_node import OMIT, Link, Node
from tests.acceptance.outside.client_rest import Json, instant, metric, raw_of
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World

LONG = "x" * 70_000


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that cannot be used, the lane it travels in and the reason it must get."""

    name: str
    reason: str
    lane: str
    record: Callable[[Node, str], Json]


BAD = (
    Bad("unknown device", "unknown_device", "telemetry", lambda c, _: c.fill("nobody", 10)),
    Bad("unknown device of an event", "unknown_device", "event", lambda c, _: c.event("nobody", "tamper", "t-1")),
    Bad("device of another node", "foreign_device", "telemetry", lambda c, _: c.fill("bin-77-us", 10)),
    Bad("unknown kind", "unknown_kind", "telemetry", lambda c, d: c.reading(d, "gravity", {"g": 9.8})),
    Bad("unknown event", "unknown_event", "event", lambda c, d: c.event(d, "volcano_erupted", "v-1")),
    Bad("reading in the sos lane", "wrong_lane", "sos", lambda c, d: c.fill(d, 10)),
    Bad("lid in the sos lane", "wrong_lane", "sos", lambda c, d: c.event(d, "lid_opened", "l-1")),
    Bad(
        "required value missing",
        "schema_invalid",
        "telemetry",
        lambda c, d: c.reading(d, "fill_level", {"distance_mm": 4}),
    ),
    Bad("no values", "schema_invalid", "telemetry", lambda c, d: c.reading(d, "fill_level", {}, values=OMIT)),
    Bad(
        "text for a number",
        "schema_invalid",
        "telemetry",
        lambda c, d: c.reading(d, "fill_level", {"fill_percent": "81"}),
    ),
    Bad("quality above 100", "schema_invalid", "telemetry", lambda c, d: c.fill(d, 10, quality=101)),
    Bad("event without ref", "schema_invalid", "event", lambda c, d: c.event(d, "tamper", "t", ref=OMIT)),
    Bad("neither reading nor event", "schema_invalid", "telemetry", lambda c, d: {"device": d}),
    Bad("not a number", "not_finite", "telemetry", lambda c, d: c.fill(d, math.nan)),
    Bad("infinite", "not_finite", "telemetry", lambda c, d: c.fill(d, math.inf)),
    Bad("minus infinite", "not_finite", "telemetry", lambda c, d: c.fill(d, -math.inf)),
    Bad("150 percent", "out_of_range", "telemetry", lambda c, d: c.fill(d, 150)),
    Bad("minus one percent", "out_of_range", "telemetry", lambda c, d: c.fill(d, -1)),
    Bad("above 64 KiB", "record_too_large", "event", lambda c, d: c.event(d, "tamper", "t-9", details={"note": LONG})),
)


def good(client: Node, device: str, lane: str, ref: str) -> Json:
    """A record that is right in its lane and raises nothing but, in the sos lane, an SOS."""
    if lane == "telemetry":
        return client.fill(device, 10)
    if lane == "event":
        return client.event(device, "lid_closed", ref)
    return client.event(device, "sos_cancelled", ref)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_record_is_quarantined_consumes_its_seq_and_takes_nobody_with_it(site: Neighbourhood, bad: Bad) -> None:
    client = site.online()
    _, device = site.bin()
    site.node("pi-2")
    site.bin("bin-77", node="pi-2")
    url = site.admin.base_url
    before = metric(url, "linli_records_quarantined_total", lane=bad.lane, reason=bad.reason)
    client.hello(bad.lane, 4)
    mark = client.mark(bad.lane)
    record = bad.record(client, device)
    client.send(bad.lane, 1, [good(client, device, bad.lane, "g-1"), record, good(client, device, bad.lane, "g-2")])
    assert client.wait_ack(bad.lane, 3, since=mark)["hw"] == 3

    row = site.quarantined(bad.reason)
    assert (row["site"], row["node"], row["lane"]) == (site.slug, "pi-1", bad.lane)
    assert (row["epoch"], row["seq"], row["state"]) == (client.epoch, 2, "held")
    assert row["detail"]
    assert row["count"] == 1
    instant(row["received_at"])
    if bad.reason != "record_too_large":
        kept = json.loads(raw_of(row))
        assert kept.get("device") == record["device"]
    lane = site.lane(client, bad.lane)
    assert (lane["high_water"], lane["stored"], lane["quarantined"], lane["gaps"]) == (3, 2, 1, 0)
    assert metric(url, "linli_records_quarantined_total", lane=bad.lane, reason=bad.reason) == before + 1
    assert metric(url, "linli_conservation_residual") == 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that cannot be read as a whole."""

    name: str
    reason: str
    payload: Callable[[Node, str], bytes]


def message(client: Node, device: str, **overrides: object) -> bytes:
    return json.dumps(client.message(2, [client.fill(device, 10)], **overrides)).encode()


UNREADABLE = (
    Unreadable("half a brace", "malformed_json", lambda c, d: b'{"schema": 1, "epoch'),
    Unreadable("empty", "malformed_json", lambda c, d: b""),
    Unreadable("a list", "malformed_json", lambda c, d: b"[1, 2, 3]"),
    Unreadable("random bytes", "malformed_json", lambda c, d: bytes(range(128, 256))),
    Unreadable("truncated UTF-8", "malformed_json", lambda c, d: message(c, d, note="满")[:-2] + b"\xe6\xbb"),
    Unreadable("deep nesting", "malformed_json", lambda c, d: b"[" * 100_000),
    Unreadable("no epoch", "malformed_json", lambda c, d: message(c, d, epoch=OMIT)),
    Unreadable("an epoch that is none", "malformed_json", lambda c, d: message(c, d, epoch="tomorrow")),
    Unreadable("first is zero", "malformed_json", lambda c, d: message(c, d, first=0)),
    Unreadable("first is text", "malformed_json", lambda c, d: message(c, d, first="two")),
    Unreadable("no boot", "malformed_json", lambda c, d: message(c, d, boot=OMIT)),
    Unreadable("a clock that is none", "malformed_json", lambda c, d: message(c, d, clock="broken")),
    Unreadable("records is no list", "malformed_json", lambda c, d: message(c, d, records={"a": 1})),
    Unreadable("schema 2", "unsupported_schema", lambda c, d: message(c, d, schema=2)),
    Unreadable("above 240 KiB", "message_too_large", lambda c, d: message(c, d, padding="x" * 246_000)),
)


@pytest.mark.parametrize("bad", UNREADABLE, ids=lambda bad: bad.name)
def test_an_unreadable_message_is_kept_raw_once_refused_by_hash_and_moves_nothing(
    site: Neighbourhood, bad: Unreadable
) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 10, ago_s=1))
    before = metric(site.admin.base_url, "linli_messages_refused_total", reason=bad.reason)
    mark = client.mark("telemetry")
    payload = client.send_raw("telemetry", bad.payload(client, device))
    refusal = client.refusal("telemetry", since=mark)
    assert refusal is not None, "no refusal came"
    assert (refusal["lane"], refusal["refused"]) == ("telemetry", bad.reason)
    assert refusal["hash"] == hashlib.sha256(payload).hexdigest()
    mark = client.mark("telemetry")
    client.send_raw("telemetry", payload)
    assert client.refusal("telemetry", since=mark) is not None, "the second sending got no answer"

    (row,) = site.quarantine(reason=bad.reason)
    assert row["seq"] is None
    assert (row["node"], row["lane"], row["state"]) == ("pi-1", "telemetry", "held")
    assert payload.startswith(raw_of(row))
    assert metric(site.admin.base_url, "linli_messages_refused_total", reason=bad.reason) > before
    client.deliver("telemetry", client.fill(device, 11))
    lane = site.lane(client, "telemetry")
    assert (lane["high_water"], lane["stored"], lane["quarantined"]) == (2, 2, 0)


def test_a_node_that_the_hub_does_not_know_gets_no_answer_and_is_kept(site: Neighbourhood, world: World) -> None:
    dynsec = world.dynsec()
    prefix = f"linli/v1/{site.slug}/ghost"
    dynsec.ghost(username=f"{site.slug}.ghost", password="boo-boo-boo", prefix=prefix)
    ghost = Link(host=world.broker_host, port=world.broker_port, user=f"{site.slug}.ghost", password="boo-boo-boo")
    ghost.open()
    assert ghost.subscribe(f"{prefix}/down/#")[0] < 0x80
    writer = Node(host=world.broker_host, port=world.broker_port, site=site.slug, node="ghost", password="")
    payload = json.dumps(writer.message(1, [writer.fill("bin-1", 10)])).encode()
    assert ghost.publish_and_wait(f"{prefix}/up/telemetry", payload) < 0x80
    row = site.quarantined("unknown_node")
    assert (row["node"], row["seq"]) == ("ghost", None)
    ghost.publish_and_wait(f"{prefix}/up/telemetry", b"not json")
    ghost.publish_and_wait(f"{prefix}/up/hello/telemetry", b"{}")
    assert ghost.wait(lambda downs: downs or None, timeout_s=1.5) is None, "an unknown node was answered"
    ghost.close()
    dynsec.close()


def test_bad_traffic_does_not_hold_up_good_traffic(site: Neighbourhood) -> None:
    client, flood = site.online(), site.online("pi-2")
    facility, device = site.bin()
    client.hello("telemetry")
    for n in range(300):
        flood.send_raw("telemetry", b'{"bad": %d' % n)
    ack = client.deliver("telemetry", client.fill(device, 10), timeout_s=5)
    assert ack["hw"] == 1
    assert len(site.wait_points(facility, "fill_percent", 1)) == 1


def test_release_admits_under_the_original_key_as_late_and_moves_the_count(site: Neighbourhood) -> None:
    client = site.online()
    client.deliver("telemetry", client.fill("bin-42-us", 95, ago_s=2))
    row = site.quarantined("unknown_device")
    facility, _ = site.bin()
    site.rule("binFull", confirm_readings=1)
    released = site.admin.post(f"quarantine/{row['id']}/release", {"comment": "registered now"})
    assert released["state"] == "released"
    lane = site.lane(client, "telemetry")
    assert (lane["high_water"], lane["stored"], lane["quarantined"]) == (1, 1, 0)
    (point,) = site.wait_points(facility, "fill_percent", 1)
    sent = json.loads(raw_of(row))["at"]
    assert instant(point["at"]) == instant(sent)
    assert point["value"] == 95
    assert site.alerts() == [], "a released reading is late: history, and calls nobody"
    site.admin.problem("POST", f"quarantine/{row['id']}/release", {"comment": "again"}, status=409)


def test_release_of_an_sos_calls(site: Neighbourhood) -> None:
    client = site.online()
    client.deliver("sos", client.event("band-07", "sos_pressed", "band-07:1", ago_s=5))
    row = site.quarantined("unknown_device")
    wearer, _ = site.band()
    site.admin.post(f"quarantine/{row['id']}/release", {"comment": "it is Mrs Wang's"})
    alert = site.alert("sosPressed", where=lambda item: item["facility"] == wearer)
    assert alert["state"] == "firing"
    assert alert["refs"] == ["band-07:1"]


def test_what_cannot_be_used_still_is_not_released(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 150))
    row = site.quarantined("out_of_range")
    site.admin.problem("POST", f"quarantine/{row['id']}/release", {"comment": "please"}, status=(409, 422))
    assert site.admin.get(f"quarantine/{row['id']}")["state"] == "held"
    assert site.lane(client, "telemetry")["quarantined"] == 1


def test_discard_keeps_the_count_and_happens_once(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 150))
    row = site.quarantined("out_of_range")
    assert site.admin.post(f"quarantine/{row['id']}/discard", {"comment": "broken sensor"})["state"] == "discarded"
    lane = site.lane(client, "telemetry")
    assert (lane["high_water"], lane["stored"], lane["quarantined"]) == (1, 0, 1)
    site.admin.problem("POST", f"quarantine/{row['id']}/discard", {"comment": "again"}, status=409)
    site.admin.problem("POST", f"quarantine/{row['id']}/release", {"comment": "after all"}, status=409)


def test_quarantine_is_filtered_by_node_and_reason_and_hidden_from_other_sites(
    site: Neighbourhood, other_site: Neighbourhood
) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 150), client.fill("nobody", 10))
    row = site.quarantined("out_of_range")
    assert len(site.quarantine()) == 2
    assert [item["reason"] for item in site.quarantine(reason="unknown_device")] == ["unknown_device"]
    assert len(site.quarantine(node="pi-1")) == 2
    assert site.quarantine(node="pi-2") == []
    stranger, _ = other_site.caller("op", "operator")
    stranger.problem("GET", f"quarantine/{row['id']}", status=404)
    stranger.problem("POST", f"quarantine/{row['id']}/discard", {"comment": "x"}, status=404)
    assert stranger.items("quarantine") == []
