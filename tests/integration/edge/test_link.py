"""A connection of the node and a real mosquitto, over a way that swallows what is said."""

from collections.abc import Generator
from queue import SimpleQueue
from random import Random

import pytest

from edge.link import Endpoint, Link, LinkDown, LinkEvent, LinkName, LinkUp
from edge.patience import SHORTEST_S
from simulators.servers.mosquitto import MosquittoServer
from tests.chaos.proxy import BLACK_HOLE, CLEAR, Proxy

pytestmark = pytest.mark.mosquitto
TOPIC = "linli/v1/demo/pi-1/up/sos"
SOON_S = 20


class Spoken:
    """A link by a clock of ours, and what it tells."""

    def __init__(self, port: int) -> None:
        self.now_s = 0.0
        self.told: SimpleQueue[LinkEvent] = SimpleQueue()
        self.link = Link(
            LinkName.SOS,
            Endpoint("127.0.0.1", port, "demo.pi-1.sos", None),
            topics=["linli/v1/demo/pi-1/down/ack/sos"],
            tell=self.told.put,
            longest_wait_s=0.2,
            random=Random(1),
            now_s=lambda: self.now_s,
        )

    def next(self) -> LinkEvent:
        return self.told.get(timeout=SOON_S)

    def say(self) -> bool:
        """Publish, and tell whether that was taken to the connection."""
        return self.link.publish(TOPIC, b"{}") is not None

    def say_and_hear(self) -> None:
        info = self.link.publish(TOPIC, b"{}")
        assert info is not None
        info.wait_for_publish(SOON_S)
        assert info.is_published()


@pytest.fixture
def way(mosquitto_anonymous: MosquittoServer) -> Generator[Proxy]:
    with Proxy(mosquitto_anonymous.port) as way:
        yield way


@pytest.fixture
def spoken(way: Proxy) -> Generator[Spoken]:
    spoken = Spoken(way.port)
    spoken.link.start()
    try:
        assert isinstance(spoken.next(), LinkUp)
        yield spoken
    finally:
        spoken.link.stop()


def test_a_connection_that_swallows_a_call_is_given_up_soon_and_made_anew(spoken: Spoken, way: Proxy) -> None:
    way.turn(BLACK_HOLE)
    assert spoken.say()
    spoken.now_s = SHORTEST_S - 0.1
    assert spoken.say(), "a broker may take its time"
    spoken.now_s = SHORTEST_S
    way.turn(CLEAR)
    assert not spoken.say()
    assert spoken.next() == LinkDown(LinkName.SOS, "the broker does not answer")
    assert isinstance(spoken.next(), LinkUp)
    spoken.say_and_hear()


def test_a_connection_that_answers_is_kept_however_long_nothing_is_said(spoken: Spoken) -> None:
    for _ in range(3):
        spoken.say_and_hear()
        spoken.now_s += 100 * SHORTEST_S
    assert spoken.told.empty()
