"""People's channels by REST and on the wire, with a receiver of apprise's json:// messages on loopback."""

import time
from collections.abc import Generator
from pathlib import Path

import pytest

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Json, Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.webhook_receiver import Call, WebhookReceiver
from tests.acceptance.outside.world import World

SECRET = "a-secret-that-nobody-sees"


@pytest.fixture
def receiver() -> Generator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


def reached(admin: Rest, person: Json, receiver: WebhookReceiver, **more: object) -> Json:
    """A channel of the person that ends at the receiver."""
    url = f"{receiver.url.replace('http://', 'json://')}/{SECRET}"
    return admin.create(f"people/{person['id']}/channels", {"name": "Phone", "url": url, **more})


def saying(calls: list[Call], text: str) -> list[Call]:
    return [call for call in calls if text in call.json["message"]]


def test_a_channel_is_tested_and_then_called_for_an_sos(
    site: Neighbourhood, world: World, receiver: WebhookReceiver
) -> None:
    operator = site.person("li", "operator")
    channel = reached(site.admin, operator, receiver)
    assert channel["url"] == "json://****"
    path = f"people/{operator['id']}/channels/{channel['id']}"
    queued = site.admin.post(f"{path}/test", {})
    receiver.wait(lambda calls: saying(calls, "收得到邻里的通知"), what="the test message")
    site.admin.wait(lambda: site.admin.get(path)["verified_at"], what="the channel is verified")
    assert site.admin.get(f"notifications/{queued['id']}")["state"] == "sent"

    client = site.online()
    _, band = site.band()
    client.hello("sos")
    began_s = time.monotonic()
    client.send("sos", 1, [client.event(band, "sos_pressed", "b:1")])
    (call, *_) = receiver.wait(lambda calls: saying(calls, "按下了 SOS"), what="the press")
    assert call.arrived_s - began_s < 2
    alert = site.alert("sosPressed", "firing")

    def receipts() -> list[Json]:
        found = site.admin.items("notifications", alert=alert["id"], person=operator["id"])
        return found if found and all(item["state"] == "sent" for item in found) else []

    (receipt,) = site.admin.wait(receipts, what="the receipt")
    assert (receipt["channel"], receipt["target"], receipt["urgency"]) == ("apprise", channel["id"], "life_safety")
    assert receipt["queued_at"] <= receipt["sent_at"]
    assert receipt["delivered_at"] is None
    assert SECRET not in str([site.admin.items("audit"), site.admin.items("notifications"), site.admin.get(path)])
    assert SECRET not in world.hub.stdout() + world.hub.stderr()


def test_a_hub_that_is_killed_still_calls_for_help(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answers = [503]
    with MosquittoServer.start(tmp_path / "broker") as broker:
        hub = Hub(data_dir=tmp_path / "data", mqtt_url=broker.admin_url).start()
        admin = Rest(hub.url).login(*ADMIN)
        site = Neighbourhood(admin, "killed").build()
        try:
            reached(admin, site.person("li", "operator"), receiver)
            client = site.online()
            _, band = site.band()
            client.hello("sos")
            client.send("sos", 1, [client.event(band, "sos_pressed", "b:1")])
            receiver.wait(lambda calls: saying(calls, "按下了 SOS"), what="the first attempt")
            hub.kill()
            before = len(receiver.calls)
            hub.start()
            receiver.wait(lambda calls: saying(calls[before:], "按下了 SOS"), what="it again", timeout_s=60)
        finally:
            site.close()
            admin.close()
            assert hub.stop() == 0, hub.tail()
