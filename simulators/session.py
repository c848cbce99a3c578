"""One run on the wire: nodes come up, something is played, the hub acknowledges the rest, nodes say goodbye."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random

from protocols.topics import NodeAddress
from simulators.clock import StoryClock
from simulators.community import SITE, draw_community
from simulators.conservation import Conservation, read_conservation
from simulators.errors import SimulatorError
from simulators.fleet import DRAIN_S, Fleet, make_node, settled
from simulators.network import PERFECT, Network
from simulators.node import Node
from simulators.registry import Registry, SiteEntry
from simulators.rest import HubClient
from simulators.timeline import Timeline
from simulators.truth import TruthWriter
from simulators.uplink import MEMORY
from simulators.world import World


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a fleet is asked to be and to play; `until_s` is seconds of the story."""

    site: str
    nodes: int
    seed: int
    timeline: Timeline
    until_s: float = float("inf")
    network: Network = PERFECT
    memory: int = MEMORY
    truth: Path | None = None
    broker_url: str | None = None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What the fleet produced, and what the hub made of it."""

    records: int
    sent_again: int
    conservation: Conservation


async def run_fleet(
    hub: HubClient, plan: FleetPlan, *, stop: asyncio.Event, on_start: Callable[[datetime], None]
) -> FleetReport:
    """Register a fleet, play it to its end or until `stop`, and read what became of its records.

    `on_start` is told what the nodes' clocks show when the story begins.
    """
    registry = Registry(hub, plan.site)
    await registry.add_site(replace(SITE, slug=plan.site, name=SITE.name if plan.site == SITE.slug else plan.site))
    site = await registered_site(hub, plan.site)
    community = draw_community(site, nodes=plan.nodes, seed=plan.seed, timeline=plan.timeline)
    access = {node: await registry.add_node(node, name=node, broker_url=plan.broker_url) for node in community.nodes}
    await registry.add_devices(community.devices)
    clock = StoryClock(plan.timeline)
    on_start(clock.timeline.start)
    members = {
        node: make_node(
            NodeAddress(plan.site, node),
            access[node],
            clock=clock,
            rng=Random(f"{plan.seed}/{node}/network"),
            network=plan.network,
            memory=plan.memory,
        )
        for node in community.nodes
    }
    with contextlib.ExitStack() as files:
        truth = None
        if plan.truth is not None:
            truth = files.enter_context(TruthWriter(plan.truth.open("w", encoding="utf-8")))
            truth.began(site=plan.site, nodes=plan.nodes, seed=plan.seed, speed=plan.timeline.speed)
        fleet = Fleet(World(community.actors, plan.timeline), members, clock=clock, truth=truth)
        await run_session([member.node for member in members.values()], fleet.play(plan.until_s), stop=stop)
    conservation = await read_conservation(hub, site=plan.site, epochs=fleet.epochs)
    return FleetReport(fleet.records, sum(member.node.sent_again for member in members.values()), conservation)


async def registered_site(hub: HubClient, slug: str) -> SiteEntry:
    """Return a site as the hub knows it: the sun over its lamps stands where the hub expects it."""
    item = await hub.get(f"sites/{slug}")
    where = item.get("location") or {"lat": SITE.latitude_deg, "lon": SITE.longitude_deg}
    return SiteEntry(slug, str(item["name"]), str(item["time_zone"]), float(where["lat"]), float(where["lon"]))


async def run_session(
    nodes: Sequence[Node], play: Coroutine[object, object, None], *, stop: asyncio.Event, drain_s: float = DRAIN_S
) -> None:
    """Play to the end or until `stop`, then wait until all is acknowledged; raise `NotAcknowledged` if it is not."""
    failure: SimulatorError | None = None
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            group.create_task(node.run())
        try:
            await _until_stopped(play, stop)
            await settled(nodes, within_s=drain_s)
        except SimulatorError as error:
            failure = error
        finally:
            for node in nodes:
                node.stop()
    if failure is not None:
        raise failure


async def _until_stopped(play: Coroutine[object, object, None], stop: asyncio.Event) -> None:
    player, stopper = asyncio.create_task(play), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({player, stopper}, return_when=asyncio.FIRST_COMPLETED)
        if player.done():
            player.result()
    finally:
        player.cancel()
        stopper.cancel()
        await asyncio.gather(player, stopper, return_exceptions=True)
