import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2

from protocols.topics import NodeAddress
from simulators.bin import BinState
from simulators.cable import Cable
from simulators.clock import StoryClock
from simulators.demo.cast import EMPTIED, SPEED, cast_community
from simulators.demo.life import UNTAKEN_LOOKS, Duty, look
from simulators.demo.story import Scenery
from simulators.demo.watcher import Watcher
from simulators.fleet import Fleet, make_node
from simulators.node import Broker, Credential
from simulators.registry import Access
from simulators.rest import HubClient
from simulators.timeline import Timeline
from simulators.world import World

NOWHERE = Broker("127.0.0.1", 1)


def order(state: str, **more: Any) -> dict[str, Any]:
    usual = {"id": "W1", "version": 1, "facility": f"demo.{EMPTIED}", "crew": "demo.waste-1"}
    return {**usual, "state": state, **more}


def scenery(people: Mapping[str, HubClient]) -> Scenery:
    timeline = Timeline(datetime(2026, 11, 21, tzinfo=UTC), SPEED)
    community = cast_community(timeline, seed=7)
    clock = StoryClock(timeline)
    access = Access(Credential(None), NOWHERE, known_before=False)
    nodes = {name: make_node(NodeAddress("demo", name), access, clock=clock, rng=Random(1)) for name in community.nodes}
    fleet = Fleet(World(community.actors, timeline), nodes, clock=clock)
    watcher = Watcher(HubClient("http://hub"), say=lambda _: None)
    return Scenery("demo", fleet, watcher, people, Cable(NOWHERE), Random(1), asyncio.Event(), say=lambda _: None)


def looked(*orders: dict[str, Any], looks: int, status: int = 200) -> tuple[list[str], Scenery]:
    """Look so many times at each of the orders in turn; return what the crews asked of the hub."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path.removeprefix("/api/v1/"))
        return httpx2.Response(status, json={})

    async def run() -> Scenery:
        async with HubClient("http://hub", token="t", transport=httpx2.MockTransport(answer)) as crew:
            stage, duty = scenery({"waste": crew, "electrical": crew, "carer": crew}), Duty()
            for one in orders:
                stage.watcher.orders["W1"] = one
                for _ in range(looks):
                    await look(stage, duty)
            return stage

    return asked, asyncio.run(run())


def fill_percent(stage: Scenery) -> float:
    state = stage.fleet.world.state(EMPTIED)
    assert isinstance(state, BinState)
    return state.fill_percent


def test_whoever_reports_an_order_done_has_emptied_the_bin() -> None:
    asked, stage = looked(order("done"), looks=1)

    assert fill_percent(stage) < 10
    assert asked == []


def test_what_is_not_reported_done_stays_as_it_is() -> None:
    assert fill_percent(looked(order("on_site"), looks=1)[1]) > 70


def test_an_order_that_a_visitor_takes_is_left_to_the_visitor() -> None:
    asked, _ = looked(order("assigned"), order("accepted"), order("on_site"), looks=UNTAKEN_LOOKS - 1)

    assert asked == []


def test_an_order_that_nobody_takes_is_worked_by_its_crew_step_by_step() -> None:
    late = [order("assigned") for _ in range(UNTAKEN_LOOKS)]
    asked, _ = looked(*late, order("accepted"), order("on_site"), looks=1)

    assert asked == [f"work-orders/W1/{step}" for step in ("accept", "arrive", "complete")]


def test_what_an_elder_calls_for_waits_for_a_person() -> None:
    asked, _ = looked(order("assigned", crew="demo.care-1"), looks=2 * UNTAKEN_LOOKS)

    assert asked == []


def test_a_crew_that_came_too_late_waits_again() -> None:
    asked, _ = looked(order("assigned"), looks=2 * UNTAKEN_LOOKS - 1, status=409)

    assert asked == ["work-orders/W1/accept"]
