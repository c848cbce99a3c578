"""wire.md §1 and rest.md §3: what a node's credential opens, and what it does not."""

import tomllib

import pytest

from tests.acceptance.outside.client_node import Link, Refused
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World


def test_credentials_open_both_connections_and_the_hub_answers_in_every_lane(site: Neighbourhood) -> None:
    client = site.online()
    for lane in ("sos", "event", "telemetry"):
        assert client.hello(lane)["hw"] == 0


def test_new_credentials_replace_the_former(site: Neighbourhood) -> None:
    old = site.online()
    old.hello("telemetry")
    new = site.client()
    assert new.rest.user == old.rest.user
    old.close()
    with pytest.raises(Refused):
        old.rest.open()
    with pytest.raises(Refused):
        old.sos.open()
    new.connect()
    assert new.hello("sos")["hw"] == 0


def test_a_session_that_holds_replaced_credentials_is_ended(site: Neighbourhood) -> None:
    old = site.online()
    site.credentials()
    assert old.rest.wait_disconnected(timeout_s=5)
    assert old.sos.wait_disconnected(timeout_s=5)


def test_a_wrong_password_is_refused_by_the_broker(site: Neighbourhood) -> None:
    client = site.online()
    host, port = client.rest._host, client.rest._port  # noqa: SLF001 - our own client
    with pytest.raises(Refused):
        Link(host=host, port=port, user=client.rest.user, password="wrong").open()
    with pytest.raises(Refused):
        Link(host=host, port=port, user=f"{site.slug}.nobody", password="wrong").open()


@pytest.mark.parametrize("which", ["rest", "sos"])
def test_a_credential_is_confined_to_its_own_node_and_direction(site: Neighbourhood, which: str) -> None:
    client = site.online()
    site.online("pi-2")
    link: Link = getattr(client, which)
    neighbour = f"linli/v1/{site.slug}/pi-2"
    for topic in (
        f"{neighbour}/up/telemetry",
        f"{neighbour}/up/sos",
        f"{neighbour}/up/hello/telemetry",
        "linli/v1/elsewhere/pi-1/up/event",
        client.topic("down/ack/telemetry"),
        f"{neighbour}/down/command",
        "$CONTROL/dynamic-security/v1",
    ):
        assert link.publish_and_wait(topic, b"{}") >= 0x80, f"{topic} was open to {link.user}"
    for topic in (
        "#",
        "linli/#",
        f"{neighbour}/down/#",
        f"{neighbour}/up/#",
        f"linli/v1/{site.slug}/+/down/ack/sos",
        "$SYS/#",
    ):
        assert link.subscribe(topic)[0] >= 0x80, f"{topic} could be heard by {link.user}"


def test_a_message_of_a_neighbour_is_never_taken_under_its_name(site: Neighbourhood) -> None:
    client, neighbour = site.online(), site.online("pi-2")
    _, device = site.bin(node="pi-2")
    neighbour.hello("telemetry")
    payload = neighbour.message(1, [neighbour.fill(device, 10)])
    client.rest.publish_and_wait(neighbour.topic("up/telemetry"), str(payload).encode())
    assert neighbour.hello("telemetry")["hw"] == 0


def test_credentials_of_a_node_that_is_not_there_are_404(site: Neighbourhood) -> None:
    site.admin.problem("POST", f"nodes/{site.id('nobody')}/credentials", {}, status=404)


def test_credentials_come_as_a_ready_edge_toml(site: Neighbourhood, world: World) -> None:
    site.node("pi-1")
    site.bin(interval_s=60)
    response = site.admin.ok("POST", f"nodes/{site.id('pi-1')}/credentials", {}, params={"format": "toml"})
    assert response.status_code == 201
    edge = tomllib.loads(response.text)
    assert (edge["site"], edge["node"]) == (site.slug, "pi-1")
    assert edge["broker"]["url"] == f"mqtt://{world.broker_host}:{world.broker_port}"
    assert [device["slug"] for device in edge["devices"]] == ["bin-42-us"]
    assert edge["devices"][0]["kind"] == "fill_level"
    assert edge["devices"][0]["interval_s"] == 60


def test_the_broker_lets_nobody_in_without_a_name(world: World) -> None:
    with pytest.raises(Refused):
        Link(host=world.broker_host, port=world.broker_port, user="", password="", client_id="anonymous").open()
