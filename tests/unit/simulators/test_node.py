import pytest

from simulators.errors import BadInput
from simulators.node import Broker


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker.example", Broker("broker.example", 1883)),
        ("mqtt://127.0.0.1:2883", Broker("127.0.0.1", 2883)),
        ("mqtts://broker.example", Broker("broker.example", 8883, tls=True)),
        ("mqtts://broker.example:443", Broker("broker.example", 443, tls=True)),
    ],
)
def test_an_address_says_where_the_broker_is_and_whether_it_speaks_tls(url: str, broker: Broker) -> None:
    assert Broker.from_url(url) == broker


@pytest.mark.parametrize("url", ["http://broker.example", "mqtt://", "mqtts://broker:port"])
def test_what_is_no_address_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        Broker.from_url(url)


def test_certificates_are_checked_only_where_there_are_any() -> None:
    assert Broker.from_url("mqtt://broker.example").authorities() is None
    context = Broker.from_url("mqtts://broker.example").authorities()
    assert context is not None
    assert context.check_hostname
