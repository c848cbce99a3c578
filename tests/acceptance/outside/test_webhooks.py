"""Webhooks as Standard Webhooks describes them: signed, repeated under one id, told once."""

import time
from collections.abc import Generator

import pytest

from tests.acceptance.outside.client_rest import Json
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.webhook_receiver import Call, WebhookReceiver


@pytest.fixture
def receiver() -> Generator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


def hooked(site: Neighbourhood, receiver: WebhookReceiver, **more: object) -> Json:
    """A webhook of the site; its secret is shown once, here."""
    made = site.admin.create("webhooks", {"site": site.slug, "url": receiver.url, **more})
    assert made["secret"].startswith("whsec_")
    return made


def of_kind(calls: list[Call], *kinds: str) -> list[Call]:
    return [call for call in calls if call.json["type"] in kinds]


def test_a_press_is_told_signed_within_moments(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hook = hooked(site, receiver)
    client = site.online()
    wearer, band = site.band()
    client.hello("sos")
    began_s = time.monotonic()
    client.send("sos", 1, [client.event(band, "sos_pressed", "b:1")])
    (call, *_) = receiver.wait(lambda calls: of_kind(calls, "alert.fired"), what="the alert")
    assert call.arrived_s - began_s < 2
    assert call.signed_by(hook["secret"])
    assert not call.signed_by("whsec_" + "A" * 44)
    assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 10
    assert call.headers["content-type"].startswith("application/json")
    assert call.json["data"]["facility"] == wearer
    assert call.json["data"]["fault_code"] == "sosPressed"


def test_a_failed_call_is_repeated_under_the_same_id(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hook = hooked(site, receiver, events=["alert.fired"])
    receiver.answers = [503, 500]
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    calls = receiver.wait(lambda calls: calls if len(calls) >= 3 else None, what="the third attempt", timeout_s=20)
    assert len({call.id for call in calls[:3]}) == 1
    assert all(call.signed_by(hook["secret"]) for call in calls)
    assert len({call.body for call in calls[:3]}) == 1


def test_a_new_press_tells_again_and_a_repeated_one_does_not(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hooked(site, receiver, events=["alert.fired", "alert.pressed_again"])
    client = site.online()
    _, band = site.band()
    press = client.event(band, "sos_pressed", "b:1")
    client.deliver("sos", press)
    receiver.wait(lambda calls: of_kind(calls, "alert.fired"), what="the first press")
    client.deliver("sos", press)
    client.deliver("sos", client.event(band, "sos_pressed", "b:2"))
    receiver.wait(lambda calls: of_kind(calls, "alert.pressed_again"), what="the second press")
    time.sleep(0.5)
    assert len({call.id for call in of_kind(receiver.calls, "alert.fired")}) == 1
    assert len({call.id for call in of_kind(receiver.calls, "alert.pressed_again")}) == 1


def test_a_dead_node_with_three_devices_is_one_message(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hooked(site, receiver, events=["alert.fired"])
    site.rule("nodeOffline", after_s=3)
    client = site.online()
    devices = [site.bin(f"bin-{n}", interval_s=1)[1] for n in range(3)]
    client.deliver("telemetry", *(client.fill(device, 10) for device in devices))
    client.close()
    receiver.wait(lambda calls: calls or None, what="the dead node")
    time.sleep(3)
    assert [call.json["data"]["fault_code"] for call in receiver.calls] == ["nodeOffline"]


def test_a_webhook_hears_of_its_own_site_only(
    site: Neighbourhood, other_site: Neighbourhood, receiver: WebhookReceiver
) -> None:
    hooked(site, receiver)
    for place in (other_site, site):
        client = place.online()
        _, band = place.band()
        client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    receiver.wait(lambda calls: of_kind(calls, "alert.fired"), what="the alert")
    time.sleep(0.5)
    assert {call.json["data"]["site"] for call in receiver.calls} == {site.slug}


def test_an_acknowledgement_stops_the_repeats(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hooked(site, receiver, events=["alert.fired"])
    receiver.answers = [503] * 50
    client = site.online()
    _, band = site.band()
    client.deliver("sos", client.event(band, "sos_pressed", "b:1"))
    receiver.wait(lambda calls: calls or None, what="the first attempt")
    alert = site.alert("sosPressed", "firing")
    site.admin.post(f"alerts/{alert['id']}/acknowledge", {"comment": ""})
    time.sleep(0.3)
    count = len(receiver.calls)
    time.sleep(4)
    assert len(receiver.calls) <= count + 1


def test_the_secret_is_shown_once_and_a_bad_address_is_refused(site: Neighbourhood, receiver: WebhookReceiver) -> None:
    hook = hooked(site, receiver)
    shown = site.admin.get(f"webhooks/{hook['id']}")
    assert hook["secret"] not in str(shown)
    problem = site.admin.problem("POST", "webhooks", {"site": site.slug, "url": "ftp://nowhere"}, status=422)
    assert problem.fields == ["url"]
