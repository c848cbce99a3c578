"""Plays recorded fill levels through the wire: their times are the node's clock, one container is one device."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import NodeAddress
from simulators.clock import monotonic_s
from simulators.community import SITE
from simulators.conservation import Conservation, read_conservation
from simulators.ids import identity
from simulators.node import Node
from simulators.registry import Access, DeviceEntry, Registry
from simulators.rest import HubClient
from simulators.samples import Sample, Series, group, merge
from simulators.session import run_session
from simulators.timeline import Moment
from simulators.uplink import Uplink

NODE: Final = "replay"
_TOGETHER: Final = timedelta(minutes=1)
"""Samples this close travel in one message: its `now` is the last of them, and none of them is late."""
_WINDOW: Final = 256
"""Messages on their way: most carry a single sample, and the hub takes together what it finds waiting."""
_AHEAD: Final = 512
"""Unacknowledged records at which the replay waits for the hub: more than the window, so that it never runs dry."""
_PATIENT_S: Final = 90.0
_LONGEST_S: Final = 366 * 86_400.0
"""The shortest and the longest silence of a node that the rule is given."""


class ReplayClock:
    """The clocks of a node whose time is that of its newest record."""

    def __init__(self, first: datetime) -> None:
        self._first = first
        self._at = first

    def advance(self, at: datetime) -> None:
        """The node's clock now shows `at`."""
        self._at = max(self._at, at)

    def moment(self) -> Moment:
        """Look at the clocks."""
        return self.moment_at(self._at)

    def moment_at(self, at: datetime) -> Moment:
        """Return what they showed at that instant."""
        return Moment(monotonic_s(), at, (at - self._first) // timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What was played, how long it took, and what the hub made of it."""

    samples: int
    took_s: float
    node_offline_after_s: float | None
    """What the rule was set to where the site is new; None where the site was there and its rules are its own."""
    conservation: Conservation


async def replay(
    hub: HubClient,
    series: Sequence[Series],
    *,
    site: str,
    stop: asyncio.Event,
    speed: float = 0.0,
    broker_url: str | None = None,
    seed: int = 0,
    on_sent: Callable[[int], None] = lambda _samples: None,
) -> ReplayReport:
    """Register the containers and play their samples; speed 0 is as fast as the hub acknowledges.

    `on_sent` hears of samples that were sent, how many more.
    """
    samples = merge(series)
    access, node_offline_after_s = await _register(hub, series, site=site, broker_url=broker_url)
    clock = ReplayClock(samples[0].at)
    known_as = identity(new_epoch_because="outbox_lost" if access.known_before else None)
    rng = Random(seed)
    node = Node(
        NodeAddress(site, NODE),
        credential=access.credential,
        broker=access.broker,
        uplinks={lane: Uplink(lane, known_as, rng=rng, window=_WINDOW) for lane in Lane},
        identity=known_as,
        clock=clock,
        rng=rng,
    )
    began_s = monotonic_s()
    await run_session([node], _play(node, samples, clock=clock, speed=speed, on_sent=on_sent), stop=stop)
    took_s = monotonic_s() - began_s
    conservation = await read_conservation(hub, site=site, epochs={NODE: known_as.epoch})
    return ReplayReport(node.uplinks[Lane.TELEMETRY].next - 1, took_s, node_offline_after_s, conservation)


async def _register(
    hub: HubClient, series: Sequence[Series], *, site: str, broker_url: str | None
) -> tuple[Access, float | None]:
    """Register site, node and containers; in a site of its own, a silence of the recording is no dead node."""
    registry = Registry(hub, site)
    new_site = await registry.add_site(replace(SITE, slug=site, name=site))
    access = await registry.add_node(NODE, name="replay of recorded fill levels", broker_url=broker_url)
    await registry.add_devices(
        DeviceEntry(
            facility=one.container,
            facility_kind="bin",
            name=one.container,
            device=f"{one.container}-us",
            device_kind="fill_level",
            node=NODE,
            expected_interval_s=one.usual_interval_s,
        )
        for one in series
    )
    if not new_site:
        return access, None
    patience_s = min(_LONGEST_S, max(_PATIENT_S, 2 * max(one.longest_silence_s for one in series)))
    await registry.set_rule("nodeOffline", after_s=patience_s)
    return access, patience_s


async def _play(
    node: Node, samples: Sequence[Sample], *, clock: ReplayClock, speed: float, on_sent: Callable[[int], None]
) -> None:
    began_s = monotonic_s()
    first = samples[0].at
    for together in group(samples, span=_TOGETHER):
        if speed > 0:
            due_s = (together[0].at - first).total_seconds() / speed
            await asyncio.sleep(max(0.0, began_s + due_s - monotonic_s()))
        await node.room(Lane.TELEMETRY, below=_AHEAD)
        clock.advance(together[-1].at)
        stamped = clock.moment()
        for sample in together:
            node.send(Lane.TELEMETRY, _record(sample, clock), stamped=stamped)
        on_sent(len(together))


def _record(sample: Sample, clock: ReplayClock) -> Reading:
    return Reading(
        device=f"{sample.container}-us",
        kind="fill_level",
        at=format_instant(sample.at),
        uptime_ms=clock.moment_at(sample.at).uptime_ms,
        values={"fill_percent": sample.fill_percent},
    )
