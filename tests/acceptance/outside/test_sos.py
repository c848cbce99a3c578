"""wire.md §4: presses, stages, sets, sources unknown."""

import json
import time

import pytest

from tests.acceptance.outside.client_node import Link, Node
from tests.acceptance.outside.client_rest import Json
from tests.acceptance.outside.databases import on_every_database
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World


def staged(client: Node, ref: str, stage: str, *, since: int = 0, timeout_s: float = 5) -> Json:
    """Waits for an sos ack that lists the press in the stage; gives its entry."""

    def entry(body: Json) -> Json | None:
        return next((item for item in body.get("sos", []) if item["ref"] == ref and item["stage"] == stage), None)

    ack = client.find_ack("sos", lambda body: entry(body) is not None, since=since, timeout_s=timeout_s)
    stages = [[(i["ref"], i["stage"]) for i in body.get("sos", [])] for body in client.acks("sos", since=since)]
    assert ack is not None, f"{ref} never was {stage}; acks said {stages[-6:]}"
    found = entry(ack)
    assert found is not None
    return found


@on_every_database
def test_a_press_is_sent_notified_heard_on_the_way_and_closed(site: Neighbourhood) -> None:
    desk, person = site.caller("desk", "operator")
    site.crew("care")
    client = site.online()
    wearer, band = site.band()
    client.hello("sos")
    began_s = time.monotonic()
    client.send("sos", 1, [client.event(band, "sos_pressed", "band-07:1187")])
    ack = client.find_ack("sos", lambda body: any(item["seq"] == 1 for item in body.get("sos", [])))
    assert ack is not None, "the press was not sent"
    assert time.monotonic() - began_s < 1.5
    assert ack["hw"] == 1
    assert ack["sos"][0]["ref"] == "band-07:1187"
    assert ack["sos"][0]["stage"] in ("received", "notified")
    staged(client, "band-07:1187", "notified")

    alert = site.alert("sosPressed", "firing")
    assert (alert["facility"], alert["severity"], alert["colour"]) == (wearer, "critical", "red")
    assert alert["refs"] == ["band-07:1187"]
    assert alert["late"] is False
    order = site.order_state(alert["work_order"], "assigned")
    assert (order["crew"], order["alerts"], order["colour"]) == (site.id("care-1"), [alert["id"]], "red")

    mark = client.mark("sos")
    heard = desk.post(f"alerts/{alert['id']}/acknowledge", {"comment": "calling her"})
    assert heard["state"] == "acknowledged"
    entry = staged(client, "band-07:1187", "heard", since=mark, timeout_s=2)
    assert entry["by"] == person["display_name"]
    assert entry["at"].endswith("Z")
    mark = client.mark("sos")
    site.admin.post(f"work-orders/{order['id']}/accept", {})
    staged(client, "band-07:1187", "on_the_way", since=mark, timeout_s=2)
    mark = client.mark("sos")
    desk.post(f"alerts/{alert['id']}/resolve", {"outcome": "helped"})
    staged(client, "band-07:1187", "closed", since=mark, timeout_s=2)
    site.alert_state(alert["id"], "closed")
    site.order_state(order["id"], "closed")
    listed = client.hello("sos")["sos"]
    assert [(item["ref"], item["stage"]) for item in listed] == [("band-07:1187", "closed")]


@on_every_database
def test_a_press_behind_a_hole_calls_at_once_and_once(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.hello("sos", 4)
    records = [client.event(band, "sos_cancelled", f"b:{n}") for n in (1, 2)]
    press = client.event(band, "sos_pressed", "b:3")
    mark = client.mark("sos")
    client.send("sos", 3, [press])
    alert = site.alert("sosPressed", "firing", where=lambda item: "b:3" in item["refs"])
    ack = client.find_ack("sos", lambda body: any(item["ref"] == "b:3" for item in body.get("sos", [])), since=mark)
    assert ack is not None
    assert ack["hw"] == 0
    entry = next(item for item in ack["sos"] if item["ref"] == "b:3")
    assert entry["seq"] == 3
    client.send("sos", 1, [*records, press])
    client.wait_ack("sos", 3)
    assert site.lane(client, "sos")["stored"] == 3
    assert site.admin.get(f"alerts/{alert['id']}")["refs"].count("b:3") == 1
    assert len(site.alerts(fault_code="sosPressed")) == 1


def test_a_press_sent_again_and_again_calls_once(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.hello("sos")
    press = client.event(band, "sos_pressed", "b:1")
    for _ in range(6):
        client.send("sos", 1, [press])
        time.sleep(0.05)
    client.wait_ack("sos", 1)
    (alert,) = site.alerts(fault_code="sosPressed")
    assert alert["refs"] == ["b:1"]
    assert len(site.orders()) == 1


@on_every_database
def test_one_press_heard_by_two_nodes_is_one_alert(site: Neighbourhood) -> None:
    one, two = site.online("pi-1"), site.online("pi-2")
    wearer, band = site.band(node=None)
    for client in (one, two):
        client.deliver("sos", client.event(band, "sos_pressed", "band-07:5"))
    (alert,) = site.alerts(fault_code="sosPressed")
    assert (alert["facility"], alert["refs"]) == (wearer, ["band-07:5"])
    for client in (one, two):
        staged(client, "band-07:5", "notified")
        assert site.lane(client, "sos")["stored"] == 1


def test_a_new_press_joins_the_open_alert(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    site.admin.post(f"alerts/{alert['id']}/acknowledge", {"comment": ""})
    client.deliver("sos", client.event(band, "sos_pressed", "b:2"))
    site.alert("sosPressed", where=lambda item: item["refs"] == ["b:1", "b:2"])
    assert len(site.alerts(fault_code="sosPressed")) == 1
    assert len(site.orders()) == 1
    listed = client.find_ack("sos", lambda body: [item["ref"] for item in body.get("sos", [])] == ["b:1", "b:2"])
    assert listed is not None


def test_the_same_ref_merges_into_an_alert_closed_a_moment_ago_and_a_new_ref_does_not(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    site.admin.post(f"alerts/{alert['id']}/resolve", {"outcome": "false_alarm"})
    site.alert_state(alert["id"], "closed")
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    assert [item["state"] for item in site.alerts(fault_code="sosPressed")] == ["closed"]
    client.deliver("sos", client.event(band, "sos_pressed", "b:2"))
    second = site.alert("sosPressed", "firing")
    assert second["id"] != alert["id"]
    assert second["refs"] == ["b:2"]


def test_a_cancellation_is_a_message_and_a_person_still_closes(site: Neighbourhood) -> None:
    client = site.online()
    wearer, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    client.deliver("sos", client.event(band, "sos_cancelled", "b:1"))
    site.admin.wait(
        lambda: len(site.admin.items(f"facilities/{wearer}/events")) == 2, what="the cancellation among the events"
    )
    assert site.admin.get(f"alerts/{alert['id']}")["state"] == "firing"
    assert len(site.alerts()) == 1
    closed = site.admin.post(f"alerts/{alert['id']}/resolve", {"outcome": "false_alarm"})
    assert closed["state"] in ("resolved", "closed")
    site.alert_state(alert["id"], "closed")


@pytest.mark.parametrize("lane", ["event", "telemetry"])
def test_a_press_in_another_lane_calls_just_the_same(site: Neighbourhood, lane: str) -> None:
    client = site.online()
    wearer, band = site.band()
    client.deliver(lane, client.event(band, "sos_pressed", "b:1"))
    assert site.alert("sosPressed", "firing")["facility"] == wearer
    assert site.lane(client, lane)["stored"] == 1


def test_a_fall_goes_the_same_way(site: Neighbourhood) -> None:
    site.crew("care")
    client = site.online()
    wearer, band = site.band()
    client.deliver("sos", client.event(band, "fall_detected", "b:9"))
    alert = site.alert("fallDetected", "firing")
    assert (alert["facility"], alert["severity"], alert["colour"]) == (wearer, "critical", "red")
    assert site.order_state(alert["work_order"], "assigned")["crew"] == site.id("care-1")
    staged(client, "b:9", "notified")
    client.deliver("sos", client.event(band, "fall_cancelled", "b:9"))
    assert site.admin.get(f"alerts/{alert['id']}")["state"] == "firing"


@pytest.mark.parametrize(
    "payload",
    [b"{not json", b"", b"\xff\xfe\x00", b'{"schema": 7}', b'{"schema": 1, "records": [{"event": "sos_pressed"'],
)
def test_an_sos_that_cannot_be_decoded_is_a_red_alert_at_the_node(site: Neighbourhood, payload: bytes) -> None:
    client = site.online()
    client.hello("sos")
    mark = client.mark("sos")
    client.send_raw("sos", payload)
    alert = site.alert("sosPressed", "firing")
    assert alert["facility"] is None
    assert alert["node"] == site.id("pi-1")
    assert (alert["severity"], alert["colour"]) == ("critical", "red")
    assert client.refusal("sos", since=mark) is not None
    assert len(site.quarantine(node="pi-1")) == 1


def test_bytes_that_were_refused_in_another_lane_still_call_in_the_sos_lane(site: Neighbourhood) -> None:
    client = site.online()
    client.hello("telemetry")
    client.send_raw("telemetry", b"{broken")
    site.quarantined("malformed_json")
    assert site.alerts() == []
    client.send_raw("sos", b"{broken")
    assert site.alert("sosPressed", "firing")["node"] == site.id("pi-1")


@pytest.mark.parametrize(
    ("device", "event", "reason"),
    [("nobody", "sos_pressed", "unknown_device"), ("band-07", "sos_pressed_hard", "unknown_event")],
)
def test_an_sos_of_an_unknown_source_is_a_red_alert_at_the_node_and_quarantined(
    site: Neighbourhood, device: str, event: str, reason: str
) -> None:
    client = site.online()
    site.band()
    client.deliver("sos", client.event(device, event, "x:1"))
    alert = site.alert("sosPressed", "firing")
    assert (alert["facility"], alert["node"], alert["severity"]) == (None, site.id("pi-1"), "critical")
    assert site.quarantined(reason)["seq"] == 1
    lane = site.lane(client, "sos")
    assert (lane["high_water"], lane["quarantined"]) == (1, 1)


def test_an_sos_of_an_unknown_node_is_a_red_alert_at_the_site(site: Neighbourhood, world: World) -> None:
    dynsec = world.dynsec()
    prefix = f"linli/v1/{site.slug}/ghost"
    dynsec.ghost(username=f"{site.slug}.ghost.sos", password="boo-boo-boo", prefix=prefix)
    ghost = Link(host=world.broker_host, port=world.broker_port, user=f"{site.slug}.ghost.sos", password="boo-boo-boo")
    ghost.open()
    writer = Node(host=world.broker_host, port=world.broker_port, site=site.slug, node="ghost", password="")
    payload = json.dumps(writer.message(1, [writer.event("band-07", "sos_pressed", "g:1")])).encode()
    ghost.publish_and_wait(f"{prefix}/up/sos", payload)
    alert = site.alert("sosPressed", "firing")
    assert (alert["facility"], alert["node"], alert["severity"]) == (None, None, "critical")
    assert site.quarantined("unknown_node")["node"] == "ghost"
    ghost.close()
    dynsec.close()


def test_a_good_press_beside_a_bad_record_calls(site: Neighbourhood) -> None:
    client = site.online()
    wearer, band = site.band()
    _, bin_device = site.bin()
    client.deliver("sos", client.fill(bin_device, 10), client.event(band, "sos_pressed", "b:1"))
    assert site.alert("sosPressed", "firing")["facility"] == wearer
    assert site.quarantined("wrong_lane")["seq"] == 1
    assert [item["facility"] for item in site.alerts(fault_code="sosPressed")] == [wearer]


def test_a_wrong_record_in_the_sos_lane_calls_nobody(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("sos", client.event(device, "lid_opened", "l:1"))
    site.quarantined("wrong_lane")
    assert site.alerts() == []


@pytest.mark.parametrize("code", ["sosPressed", "fallDetected"])
def test_sos_has_no_parameters(site: Neighbourhood, code: str) -> None:
    site.admin.problem("PUT", f"rules/{code}", {"scope": site.slug, "parameters": {}}, status=409)


@pytest.mark.parametrize("outcome", ["helped", "false_alarm", "emergency_called"])
def test_every_outcome_closes_alert_and_order(site: Neighbourhood, outcome: str) -> None:
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    site.admin.post(f"alerts/{alert['id']}/resolve", {"outcome": outcome})
    closed = site.alert_state(alert["id"], "closed")
    assert closed["closed_at"] is not None
    site.order_state(closed["work_order"], "closed")


def test_an_unknown_outcome_is_422_and_a_closed_sos_is_not_resolved_again(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    problem = site.admin.problem("POST", f"alerts/{alert['id']}/resolve", {"outcome": "whatever"}, status=422)
    assert problem.fields == ["outcome"]
    site.admin.post(f"alerts/{alert['id']}/resolve", {"outcome": "helped"})
    again = site.admin.problem("POST", f"alerts/{alert['id']}/resolve", {"outcome": "helped"}, status=409)
    assert "legal" in again.body


def test_an_sos_cannot_be_shelved(site: Neighbourhood) -> None:
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    alert = site.alert("sosPressed", "firing")
    site.admin.problem("POST", f"alerts/{alert['id']}/shelve", {"until": "2100-01-01T00:00:00Z"}, status=(409, 422))


def test_an_sos_overtakes_telemetry(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    _, band = site.band()
    client.hello("telemetry", 20_001)
    client.hello("sos")
    for first in range(1, 4_001, 200):
        client.send("telemetry", first, [client.fill(device, 10, ago_s=20_000 - first - n) for n in range(200)])
    began_s = time.monotonic()
    client.send("sos", 1, [client.event(band, "sos_pressed", "b:1")])
    ack = client.find_ack("sos", lambda body: any(item["ref"] == "b:1" for item in body.get("sos", [])))
    took_s = time.monotonic() - began_s
    assert ack is not None
    assert took_s < 1.0, f"press → sent took {took_s:.2f} s"
    client.wait_ack("telemetry", 4_000, timeout_s=20)
