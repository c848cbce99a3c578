"""Broker addresses."""

from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from hub.errors import ConfigurationError
from hub.mqtt.broker_url import BrokerUrl


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883"),
        ("mqtts://broker.example", "mqtts://broker.example:8883"),
        ("mqtt://u:p@[::1]:1884", "mqtt://[::1]:1884"),
    ],
)
def test_the_public_address_names_the_port_and_no_user(text: str, public: str) -> None:
    assert BrokerUrl.parse(text).public == public


def test_user_and_password_are_unescaped() -> None:
    broker = BrokerUrl.parse("mqtt://a%40b:c%2Fd@host:1")
    assert (broker.username, broker.password) == ("a@b", "c/d")


@pytest.mark.parametrize("text", ["", "localhost", "http://host", "mqtt://", "mqtt://host:port", "mqtt://host:99999"])
def test_what_is_no_broker_address_names_the_key(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LINLI_MQTT_URL"):
        BrokerUrl.parse(text)


def test_the_authority_goes_with_every_user_of_the_broker(tmp_path: Path) -> None:
    broker = BrokerUrl.parse("mqtts://host", ca=tmp_path / "ca.crt")
    assert broker.as_user("linli-hub", "secret").ca == tmp_path / "ca.crt"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_names_its_key(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.crt"
    if content is not None:
        ca.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"LINLI_MQTT_CA: .*ca\.crt"):
        BrokerUrl.parse("mqtts://host", ca=ca).secure(Client(CallbackAPIVersion.VERSION2))
