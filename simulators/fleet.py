"""Many nodes in one process: the world is stepped by the clock, its records are written down as truth and sent."""

import asyncio
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Final

from protocols.envelope import Record
from protocols.events import Event, lane_of
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import NodeAddress
from simulators.clock import StoryClock
from simulators.errors import NotAcknowledged
from simulators.ids import identity
from simulators.network import PERFECT, Network
from simulators.node import Node
from simulators.observation import Measurement, Occurrence
from simulators.registry import Access
from simulators.truth import TruthWriter
from simulators.uplink import MEMORY, Identity, Uplink
from simulators.world import Place, Scene, World

DRAIN_S: Final = 60.0
"""How long the last records may take to be acknowledged."""


class FleetNode:
    """A node of the fleet with the identity its events are named after."""

    def __init__(self, node: Node, known_as: Identity) -> None:
        self.node = node
        self.identity = known_as


def make_node(
    address: NodeAddress,
    access: Access,
    *,
    clock: StoryClock,
    rng: Random,
    network: Network = PERFECT,
    hello_interval_s: float | None = None,
    memory: int = MEMORY,
    **options: Any,
) -> FleetNode:
    """Make a node of a new epoch: its memory did not survive the last run, and it says so."""
    known_as = identity(new_epoch_because="outbox_lost" if access.known_before else None)
    timeline = clock.timeline
    rate = timeline.clock_s(timeline.after_s(1.0))
    uplinks = {
        lane: Uplink(lane, known_as, rng=rng, memory=memory, hello_interval_s=hello_interval_s, clock_rate=rate)
        for lane in Lane
    }
    node = Node(
        address,
        credential=access.credential,
        broker=access.broker,
        uplinks=uplinks,
        identity=known_as,
        clock=clock,
        rng=rng,
        network=network,
        **options,
    )
    return FleetNode(node, known_as)


class Fleet:
    """Plays a world through its nodes."""

    def __init__(
        self, world: World, nodes: Mapping[str, FleetNode], *, clock: StoryClock, truth: TruthWriter | None = None
    ) -> None:
        self.world = world
        self.nodes = nodes
        self.clock = clock
        self.records = 0
        """Records produced so far."""
        self._truth = truth

    async def play(self, until_s: float) -> None:
        """Step the world as its time comes, up to that point of the story."""
        while (due_s := self.world.next_s()) <= until_s:
            await asyncio.sleep(max(0.0, self.clock.wait_s(due_s)))
            for scene in self.world.until(due_s):
                self.perform(scene)
        if self._truth is not None:
            self._truth.ended(after_s=until_s, records=self.records)

    def perform(self, scene: Scene) -> None:
        """Write a scene down and send what it shows the sensors."""
        for fact in scene.outcome.facts:
            if self._truth is not None:
                self._truth.fact(fact, scene.place, after_s=scene.after_s)
        for observed in scene.outcome.observed:
            self._produce(observed, scene.place, after_s=scene.after_s)

    async def settled(self, *, within_s: float = DRAIN_S) -> None:
        """Return when the hub has acknowledged all; raise `NotAcknowledged` when it does not in time."""
        await settled([member.node for member in self.nodes.values()], within_s=within_s)

    @property
    def epochs(self) -> dict[str, str]:
        """The epoch of each node in this run."""
        return {name: member.identity.epoch for name, member in self.nodes.items()}

    def _produce(self, observed: Measurement | Occurrence, place: Place, *, after_s: float) -> None:
        member = self.nodes[place.node]
        lane = Lane.TELEMETRY if isinstance(observed, Measurement) else lane_of(observed.event)
        seq = member.node.send(lane, self._record(observed, place, member.identity, after_s=after_s))
        self.records += 1
        if self._truth is not None:
            self._truth.record(observed, place, after_s=after_s, lane=lane, seq=seq)

    def _record(
        self, observed: Measurement | Occurrence, place: Place, known_as: Identity, *, after_s: float
    ) -> Record:
        timeline = self.clock.timeline
        at = format_instant(timeline.stamp(after_s))
        uptime_ms = int(timeline.clock_s(after_s) * 1000)
        if isinstance(observed, Measurement):
            return Reading(
                device=place.device,
                kind=observed.kind,
                at=at,
                uptime_ms=uptime_ms,
                quality=observed.quality,
                values=dict(observed.values),
            )
        return Event(
            device=place.device,
            event=observed.event,
            ref=f"{place.device}:{known_as.boot[:8]}-{observed.number}",
            at=at,
            uptime_ms=uptime_ms,
            details=dict(observed.details),
        )


async def settled(nodes: Iterable[Node], *, within_s: float) -> None:
    """Return when everything of these nodes is acknowledged; raise `NotAcknowledged` when it is not in time."""
    nodes = list(nodes)
    try:
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(node.settled())
    except TimeoutError:
        pending = sum(node.pending for node in nodes)
        troubles = sorted({node.trouble for node in nodes if node.trouble})
        why = f" ({'; '.join(troubles)})" if troubles else ""
        raise NotAcknowledged(f"{pending} records not acknowledged after {within_s:g} s{why}") from None
