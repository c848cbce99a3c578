"""The file a node is set up with: what the agent reads."""

import tomllib
from typing import Any

import pytest

from hub.devices.edge_toml import edge_toml
from hub.devices.registry import Device, Node

NODE = Node(id="demo.pi-1", site="demo", slug="pi-1", name="Pi", created_at_ms=0)


def device(slug: str, kind: str, interval_s: float | None = 60) -> Device:
    return Device(
        id=f"demo.{slug}",
        site="demo",
        slug=slug,
        kind=kind,
        facility="demo.f",
        node="demo.pi-1",
        expected_interval_s=interval_s,
        created_at_ms=0,
    )


def made(*devices: Device) -> dict[str, Any]:
    return tomllib.loads(edge_toml(NODE, devices, broker_url="mqtt://broker:1883", password='p"\\w'))


def test_the_agent_finds_itself_its_broker_and_its_password() -> None:
    edge = made()
    assert (edge["site"], edge["node"]) == ("demo", "pi-1")
    assert edge["broker"] == {"url": "mqtt://broker:1883", "password": 'p"\\w'}


@pytest.mark.parametrize(
    ("kind", "driver"), [("fill_level", "ultrasonic"), ("vitals", "button"), ("lamp", "fake"), ("soil", "fake")]
)
def test_every_device_has_a_driver_with_options(kind: str, driver: str) -> None:
    (found,) = made(device("d-1", kind))["devices"]
    assert (found["slug"], found["kind"], found["driver"], found["interval_s"]) == ("d-1", kind, driver, 60)
    assert found["options"]


@pytest.mark.parametrize(("interval_s", "written"), [(None, 60), (0.5, 0.5), (1e6, 86_400), (3600, 3600)])
def test_intervals_fit_the_agent(interval_s: float | None, written: float) -> None:
    (found,) = made(device("d-1", "lamp", interval_s))["devices"]
    assert found["interval_s"] == written


@pytest.mark.parametrize(
    ("broker_url", "private_authority", "ca"),
    [
        ("mqtts://broker:8883", True, "/etc/linli/ca.crt"),
        ("mqtts://broker:8883", False, None),
        ("mqtt://broker:1883", True, None),
    ],
)
def test_the_authority_is_named_where_it_is_a_private_one_of_a_broker_with_tls(
    broker_url: str, private_authority: bool, ca: str | None
) -> None:
    text = edge_toml(NODE, [], broker_url=broker_url, password="p", private_authority=private_authority)
    broker = tomllib.loads(text)["broker"]
    assert (broker["url"], broker.get("ca")) == (broker_url, ca)
    assert ("ca.crt to" in text) == (ca is not None)
