"""The chaos proxy does to a connection what it says, and nothing else; an echo server stands behind it."""

import socket
import socketserver
import threading
import time
from collections.abc import Generator
from itertools import pairwise

import pytest

from tests.chaos.proxy import BLACK_HOLE, CLEAR, LOOPBACK, PARTED, Proxy, Stroke, Turn, Weather, script

SOON_S = 5.0
SILENT_S = 0.15


class Echo(socketserver.BaseRequestHandler):
    """Says everything again, and when it has ended."""

    ended = threading.Event()

    def handle(self) -> None:
        try:
            while heard := self.request.recv(65_536):
                self.request.sendall(heard)
        except OSError:
            pass
        type(self).ended.set()


@pytest.fixture
def way() -> Generator[Proxy]:
    Echo.ended.clear()
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        with Proxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        serving.join()


def said(client: socket.socket, what: bytes, *, within_s: float = SOON_S) -> bytes:
    """Say it and return what came back; empty where the connection ended, TimeoutError where nothing came in time."""
    client.settimeout(within_s)
    client.sendall(what)
    heard = b""
    while len(heard) < len(what) and (part := client.recv(65_536)):
        heard += part
    return heard


def connected(way: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, way.port), timeout=SOON_S)


def test_in_clear_weather_everything_comes_through_and_an_end_is_passed_on(way: Proxy) -> None:
    with connected(way) as client:
        assert said(client, b"x" * 300_000) == b"x" * 300_000
    assert Echo.ended.wait(SOON_S)
    assert way.counted["up"] == way.counted["down"] == 300_000


def test_latency_delays_and_takes_no_speed(way: Proxy) -> None:
    with connected(way) as client:
        way.turn(Weather(latency_s=0.1))
        begun_s = time.monotonic()
        assert said(client, b"x" * 1_000_000) == b"x" * 1_000_000
        assert 0.2 <= time.monotonic() - begun_s < 2.0


def test_a_slow_drip_gives_no_more_than_its_rate(way: Proxy) -> None:
    with connected(way) as client:
        way.turn(Weather(bytes_a_second=2_000))
        begun_s = time.monotonic()
        assert said(client, b"x" * 600) == b"x" * 600
        assert time.monotonic() - begun_s >= 0.25


def test_what_a_black_hole_swallowed_never_comes_and_its_connection_stays_lost(way: Proxy) -> None:
    with connected(way) as client:
        assert said(client, b"before") == b"before"
        way.turn(BLACK_HOLE)
        with pytest.raises(TimeoutError):
            said(client, b"lost", within_s=SILENT_S)
        way.turn(CLEAR)
        with pytest.raises(TimeoutError):
            said(client, b"lost too", within_s=SILENT_S)
        with connected(way) as other:
            assert said(other, b"anew") == b"anew"
    assert way.counted["lost_up"] == len(b"lost" + b"lost too")


def test_one_direction_can_be_lost_alone(way: Proxy) -> None:
    with connected(way) as client:
        way.turn(Weather(loses_down=True))
        with pytest.raises(TimeoutError):
            said(client, b"heard there", within_s=SILENT_S)
    assert way.counted["up"] == way.counted["lost_down"] == len(b"heard there")
    assert way.counted["lost_up"] == 0


def test_a_parted_network_delivers_everything_once_it_is_whole(way: Proxy) -> None:
    with connected(way) as client:
        way.turn(PARTED)
        with pytest.raises(TimeoutError):
            said(client, b"held", within_s=SILENT_S)
        way.turn(CLEAR)
        heard = said(client, b", and more")
        while len(heard) < len(b"held, and more"):
            heard += client.recv(100)
        assert heard == b"held, and more"


def test_a_reset_is_heard_at_both_ends(way: Proxy) -> None:
    with connected(way) as client:
        assert said(client, b"before") == b"before"
        way.turn(Stroke.RESET)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert Echo.ended.wait(SOON_S)


def test_a_half_open_connection_has_ended_for_the_server_alone(way: Proxy) -> None:
    with connected(way) as client:
        assert said(client, b"before") == b"before"
        way.turn(Stroke.HALF_OPEN)
        assert Echo.ended.wait(SOON_S)
        with pytest.raises(TimeoutError):
            said(client, b"to nobody", within_s=SILENT_S)


def test_a_way_that_refuses_resets_new_connections_and_keeps_the_old(way: Proxy) -> None:
    with connected(way) as client:
        assert said(client, b"before") == b"before"
        way.turn(Weather(refuses=True))
        with pytest.raises(ConnectionResetError), connected(way) as other:
            other.recv(1)
        assert said(client, b"after") == b"after"


def test_faults_can_be_confined_to_connections_that_begin_with_certain_words(way: Proxy) -> None:
    with Proxy(way.port, only=b".sos") as outer, connected(outer) as chosen, connected(outer) as other:
        assert said(chosen, b"pi-1.sos") == b"pi-1.sos"
        assert said(other, b"pi-1") == b"pi-1"
        outer.turn(BLACK_HOLE)
        assert said(other, b".sos") == b".sos"
        with pytest.raises(TimeoutError):
            said(chosen, b"lost", within_s=SILENT_S)
        outer.turn(Stroke.RESET)
        assert said(other, b"still there") == b"still there"


def test_a_seed_draws_the_same_script_again_with_every_kind_of_fault_and_clear_weather_at_its_end() -> None:
    drawn = script(7, lasts_s=120)
    assert drawn == script(7, lasts_s=120)
    assert drawn != script(8, lasts_s=120)
    assert all(before.at_s <= after.at_s for before, after in pairwise(drawn))
    assert drawn[-1].at_s < 120
    faults = [turn.to for turn in drawn if turn.to != CLEAR]
    assert {Stroke.RESET, Stroke.HALF_OPEN, PARTED, BLACK_HOLE, Weather(refuses=True)} <= set(faults)
    weathers = [turn.to for turn in drawn if isinstance(turn.to, Weather)]
    assert weathers[1::2] == [CLEAR] * (len(weathers) // 2)


def test_a_script_is_played_turn_by_turn(way: Proxy) -> None:
    with connected(way) as client:
        player = way.play([Turn(0.0, PARTED), Turn(0.1, CLEAR), Turn(0.2, Stroke.RESET)])
        begun_s = time.monotonic()
        time.sleep(0.02)
        assert said(client, b"held") == b"held"
        assert time.monotonic() - begun_s >= 0.05
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        player.join(SOON_S)
