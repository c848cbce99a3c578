"""Broker addresses."""

import pytest

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
