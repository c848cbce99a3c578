"""A fleet on a real mosquitto, before a hub of a few lines, through a network that loses, delays and doubles."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocols.gaps import GapReason
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import NodeAddress
from simulators.cable import Cable
from simulators.clock import StoryClock
from simulators.community import SITE, draw_community
from simulators.errors import NotAcknowledged
from simulators.fleet import Fleet, FleetNode, make_node
from simulators.network import Network
from simulators.node import Broker, Credential
from simulators.registry import Access
from simulators.servers.embedded import EmbeddedBroker
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from simulators.session import run_session
from simulators.timeline import Timeline
from simulators.truth import TruthWriter
from simulators.world import World
from tests.integration.simulators.scripted_hub import ScriptedHub

pytestmark = pytest.mark.mosquitto
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
BAD = Network(loss_rate=0.05, duplicate_rate=0.5, delay_s=(0.0, 0.2), outages_s=((1.0, 1.5),))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with MosquittoServer.start(tmp_path / "broker", auth=BrokerAuth.ANONYMOUS) as server:
        yield Broker("127.0.0.1", server.port)


@asynccontextmanager
async def serving(hub: ScriptedHub) -> AsyncGenerator[ScriptedHub]:
    task = asyncio.create_task(hub.serve())
    try:
        await asyncio.wait_for(hub.listening.wait(), 60)  # or what was sent before comes in a few messages, none twice
        yield hub
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def make_fleet(broker: Broker, *, seed: int, speed: float, network: Network, truth: TruthWriter) -> Fleet:
    timeline = Timeline(START, speed)
    community = draw_community(SITE, nodes=3, seed=seed, timeline=timeline)
    clock = StoryClock(timeline)
    nodes = {
        name: make_node(
            NodeAddress(SITE.slug, name),
            Access(Credential(None), broker, known_before=False),
            clock=clock,
            rng=Random(f"{seed}/{name}"),
            network=network,
        )
        for name in community.nodes
    }
    return Fleet(World(community.actors, timeline), nodes, clock=clock, truth=truth)


async def play(fleet: Fleet, *, until_s: float) -> None:
    nodes = [member.node for member in fleet.nodes.values()]
    await run_session(nodes, fleet.play(until_s), stop=asyncio.Event())


def run_fleet(broker: Broker, *, seed: int, network: Network) -> tuple[ScriptedHub, Fleet, str]:
    output = io.StringIO()

    async def story() -> tuple[ScriptedHub, Fleet]:
        async with serving(ScriptedHub(broker.host, broker.port)) as hub:
            fleet = make_fleet(broker, seed=seed, speed=2_000, network=network, truth=TruthWriter(output))
            await play(fleet, until_s=6_000)
            return hub, fleet

    hub, fleet = asyncio.run(story())
    return hub, fleet, output.getvalue()


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("device", "kind", "values", "event", "quality") if name in record}


def test_every_record_of_the_truth_is_committed_exactly_once_through_a_bad_network(broker: Broker) -> None:
    hub, fleet, truth = run_fleet(broker, seed=7, network=BAD)

    lines = [json.loads(line) for line in truth.splitlines()]
    produced = [line for line in lines if line["fact"] == "record"]
    committed = {
        (node, lane, seq): comparable(record)
        for (node, epoch, lane), records in hub.records.items()
        for seq, record in records.items()
        if fleet.epochs[node] == epoch
    }
    assert len(produced) > 300
    assert hub.duplicates > 0
    assert not any(hub.gaps.values())
    assert committed.keys() == {(line["node"], line["lane"], line["seq"]) for line in produced}
    for line in produced:
        said = comparable(line) | ({"quality": 100} if "event" in line else {})
        assert committed[line["node"], line["lane"], line["seq"]] == said


async def lone_node(broker: Broker, **options: Any) -> FleetNode:
    access = Access(Credential(None), broker, known_before=False)
    clock = StoryClock(Timeline(START))
    return make_node(NodeAddress("demo", "lone"), access, clock=clock, rng=Random(1), **options)


def reading(number: int, *, device: str = "bin-us") -> Reading:
    return Reading(device=device, kind="fill_level", values={"fill_percent": float(number % 100)})


def test_a_pulled_cable_loses_nothing(broker: Broker) -> None:
    async def story() -> tuple[ScriptedHub, FleetNode]:
        async with serving(ScriptedHub(broker.host, broker.port)) as hub:
            cable = Cable(broker)
            await cable.plug()
            member = await lone_node(cable.near)

            async def send() -> None:
                for number in range(200):
                    member.node.send(Lane.TELEMETRY, reading(number))
                    if number == 100:
                        await cable.pull()
                    await asyncio.sleep(0.005)
                await cable.plug()

            await run_session([member.node], send(), stop=asyncio.Event())
            await cable.pull()
            return hub, member

    hub, member = asyncio.run(story())

    assert sorted(hub.records["lone", member.identity.epoch, "telemetry"]) == list(range(1, 201))


def test_a_record_the_hub_refuses_alone_becomes_a_gap_and_its_neighbours_arrive(broker: Broker) -> None:
    async def story() -> tuple[ScriptedHub, FleetNode]:
        hub = ScriptedHub(broker.host, broker.port)
        hub.refuse = {"poison-us"}
        async with serving(hub):
            member = await lone_node(broker)

            async def send() -> None:
                for number in range(20):
                    member.node.send(Lane.TELEMETRY, reading(number, device="poison-us" if number == 9 else "bin-us"))

            await run_session([member.node], send(), stop=asyncio.Event())
            return hub, member

    hub, member = asyncio.run(story())

    key = ("lone", member.identity.epoch, "telemetry")
    assert hub.gaps[key] == [(10, 10, GapReason.REFUSED)]
    assert sorted(hub.records[key]) == [seq for seq in range(1, 21) if seq != 10]


def test_a_node_speaks_to_the_embedded_broker_as_to_mosquitto(tmp_path: Path) -> None:
    with EmbeddedBroker.start(tmp_path) as server:
        broker = Broker("127.0.0.1", server.port)

        async def story() -> tuple[ScriptedHub, FleetNode]:
            async with serving(ScriptedHub(broker.host, broker.port)) as hub:
                member = await lone_node(broker)

                async def send() -> None:
                    for number in range(50):
                        member.node.send(Lane.TELEMETRY, reading(number))

                await run_session([member.node], send(), stop=asyncio.Event())
                return hub, member

        hub, member = asyncio.run(story())

    assert sorted(hub.records["lone", member.identity.epoch, "telemetry"]) == list(range(1, 51))


def test_a_broker_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        member = await lone_node(Broker("127.0.0.1", 1))
        member.node.send(Lane.TELEMETRY, reading(1))
        await run_session([member.node], asyncio.sleep(0), stop=asyncio.Event(), drain_s=1.0)

    with pytest.raises(NotAcknowledged, match=r"1 records not acknowledged after 1 s \(.+\)"):
        asyncio.run(story())
