from pathlib import Path

import pytest

from simulators.demo.stage import HubServer, broker_settings
from simulators.servers.embedded import EmbeddedBroker
from simulators.servers.mosquitto import MosquittoServer


class Mosquitto(MosquittoServer):
    """One that was started, on a port we know."""

    @property
    def port(self) -> int:
        return 1884


class Embedded(EmbeddedBroker):
    """One that was started, on a port we know."""

    @property
    def port(self) -> int:
        return 1884


def test_with_mosquitto_the_hub_keeps_identities_there(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)

    assert broker_settings(broker) == {
        "LINLI_MQTT_URL": f"mqtt://admin:{broker.admin_password}@127.0.0.1:1884",
        "LINLI_BROKER_ADMIN": "dynsec",
    }


def test_with_the_embedded_broker_there_are_none(tmp_path: Path) -> None:
    broker = Embedded(tmp_path)

    assert broker_settings(broker) == {
        "LINLI_MQTT_URL": "mqtt://127.0.0.1:1884",
        "LINLI_BROKER_ADMIN": "none",
        "LINLI_MQTT_VERSION": "5",
    }


def test_settings_of_whoever_starts_the_demo_do_not_reach_its_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINLI_INFLUX_URL", "http://elsewhere")
    monkeypatch.setenv("LINLI_ADMIN_PASSWORD", "theirs")
    broker = Embedded(tmp_path)
    launch = HubServer(tmp_path, broker=broker, admin_password="ours").configure(8081)

    assert ["-u", "LINLI_INFLUX_URL"] in [launch.command[at : at + 2] for at in range(len(launch.command))]
    assert launch.environment["LINLI_ADMIN_PASSWORD"] == "ours"
    assert launch.environment["LINLI_HTTP_PORT"] == "8081"
