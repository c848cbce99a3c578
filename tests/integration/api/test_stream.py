"""rest.md §6: the event stream, from a server of its own in this process."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from hub.api.listener import bind
from hub.api.server import Server
from hub.events import ConditionRaised
from hub.vocabulary import FaultCode, Role, Subject
from tests.integration.api.client import START_MS, Client, World

Told = tuple[int, str, str]
"""(id, event, data)."""


@dataclass(slots=True)
class Served:
    """The application on a port of the loopback."""

    url: str
    world: World

    def listen(self, client: Client, count: int, *, after: int | None = None) -> list[Told]:
        """Read so many events, from the id after `after` on."""
        headers = {"Authorization": f"Bearer {client.token}"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        told: list[Told] = []
        with httpx2.stream("GET", f"{self.url}/api/v1/stream", headers=headers, timeout=20) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                if not line and "data" in fields:
                    told.append((int(fields["id"]), fields["event"], fields["data"]))
                    if len(told) == count:
                        break
                if not line:
                    fields = {}
                    continue
                name, _, value = line.partition(": ")
                fields[name] = value
        return told


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    listener = bind("127.0.0.1", 0)
    server = Server(world.web.app, listener)
    server.start()
    yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", world)
    world.services.wake.close()
    server.stop()


def fill(world: World, site: str, facility: str) -> None:
    subject = Subject(site, facility=f"{site}.{facility}")
    world.happen(ConditionRaised(subject, FaultCode.BIN_FULL, "threshold_reached", START_MS))


def test_what_happened_is_replayed_in_order_and_what_happens_is_told(
    served: Served, demo: Client, world: World
) -> None:
    fill(world, "demo", "bin-42")
    before = served.listen(demo, 2, after=0)
    assert {event for _, event, _ in before} == {"alert", "work_order"}
    later = threading.Timer(0.3, fill, args=(world, "demo", "bin-43"))
    demo.post("facilities", {"site": "demo", "slug": "bin-43", "kind": "bin", "name": "B"})
    later.start()
    told = served.listen(demo, 2, after=before[-1][0])
    later.join()
    assert {event for _, event, _ in told} == {"alert", "work_order"}
    assert all("bin-43" in data for _, _, data in told)
    ids = [number for number, _, _ in [*before, *told]]
    assert ids == sorted(set(ids))


def test_a_listener_hears_of_their_sites_alone(served: Served, demo: Client, other: Client, world: World) -> None:
    fill(world, "demo", "bin-42")
    fill(world, "other", "bin-1")
    told = served.listen(world.caller((Role.OPERATOR, "other")), 2, after=0)
    assert all('"site":"other"' in data for _, _, data in told)


def test_a_crew_hears_of_its_own_orders(served: Served, demo: Client, world: World) -> None:
    mine = world.person((Role.CREW, "demo"))
    demo.post("facilities", {"site": "demo", "slug": "lamp", "kind": "streetlight", "name": "L"})
    subject = Subject("demo", facility="demo.lamp")
    world.happen(ConditionRaised(subject, FaultCode.LAMP_FAILURE, "dark", START_MS))
    demo.post("crews", {"site": "demo", "slug": "w", "name": "W", "skills": ["waste"], "members": [mine.id]})
    fill(world, "demo", "bin-42")
    told = served.listen(world.signed_in(mine), 2, after=0)
    assert all("bin-42" in data for _, _, data in told)


def test_an_id_that_is_none_is_refused_and_nobody_hears_without_signing_in(demo: Client, world: World) -> None:
    assert demo.fields("GET", "stream", headers={"Last-Event-ID": "yesterday"}) == ["Last-Event-ID"]
    world.nobody.problem("GET", "stream", status=401)


def test_listeners_are_let_go_when_the_hub_stops(served: Served, demo: Client, world: World) -> None:
    fill(world, "demo", "bin-42")
    stopping = threading.Timer(0.3, world.services.wake.close)
    stopping.start()
    told = served.listen(demo, 1_000, after=0)
    stopping.join()
    assert 0 < len(told) < 1_000


def test_a_listener_who_is_retired_hears_no_more(served: Served, demo: Client, world: World) -> None:
    person = world.person((Role.OPERATOR, "demo"))
    listener = world.signed_in(person)
    fill(world, "demo", "bin-42")

    def retire() -> None:
        demo.post(f"people/{person.id}/retire")
        fill(world, "demo", "bin-42b")

    demo.post("facilities", {"site": "demo", "slug": "bin-42b", "kind": "bin", "name": "B"})
    later = threading.Timer(0.3, retire)
    later.start()
    told = served.listen(listener, 1_000, after=0)
    later.join()
    assert all("bin-42b" not in data for _, _, data in told)
