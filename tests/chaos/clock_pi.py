"""A Pi whose clock may say anything: the agent's real loop, clock and outbox in a time of the test's own."""

from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import Any, Final

from edge.agent.calls import Calls
from edge.agent.devices import Occurred, Sampled
from edge.agent.loop import Item, Loop
from edge.agent.outputs import Outputs
from edge.agent.upkeep import Upkeep
from edge.clock import Clock
from edge.drivers.driver import Measurement, Occurrence
from edge.link import Arrived, LinkDown, LinkName, LinkUp
from edge.outbox import open_outbox
from edge.sms.text import Told
from edge.uplink.courier import Courier
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.second_courier import SecondCourier
from edge.uplink.second_path import Plan
from edge.watchdog import Watchdog
from protocols.events import EventName
from protocols.instant import from_ms, to_ms
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress
from tests.chaos.clock_hub import BIN, NODE, DatingHub

STARTS_MS: Final = to_ms(datetime(2026, 11, 21, 8, tzinfo=UTC))
ADDRESS: Final = NodeAddress("demo", NODE)
BAND: Final = "band-07"
_GROUP_MS: Final = 210


class World:
    """True time, and what is to happen in it."""

    def __init__(self) -> None:
        self.true_ms = STARTS_MS
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, true_ms: int, what: Callable[[], None]) -> None:
        heappush(self._due, (max(true_ms, self.true_ms), next(self._order), what))

    def after(self, ms: int, what: Callable[[], None]) -> None:
        self.at(self.true_ms + ms, what)

    def run(self, until_ms: int) -> None:
        while self._due and self._due[0][0] <= until_ms:
            self.true_ms, _, what = heappop(self._due)
            what()
        self.true_ms = until_ms


class Pi:
    """One node; `error_ms` is what its wall clock is ahead, `claims` whether its system says that the clock was set."""

    def __init__(
        self, world: World, hub: DatingHub, folder: Path, random: Random, *, clock: type[Clock] = Clock
    ) -> None:
        self.world, self.hub, self.random = world, hub, random
        self.error_ms, self.drift_ppm, self.claims = 0, 0, False
        self.boot = 0
        self.made: dict[str, tuple[int, int]] = {}
        """Name of a record → (true time, boot)."""
        self.lied: dict[int, int] = {}
        """Boot → when its system first claimed a wrong clock."""
        self.contact: dict[int, int] = {}
        """Boot → when the hub first answered in it."""
        self.reports: list[tuple[int, EventName, dict[str, Any]]] = []
        """When the node told which trouble of itself."""
        self._clock_type, self._folder = clock, folder
        self._booted_ms = self._set_ms = world.true_ms
        self._up: set[LinkName] = set()
        self._busy_ms: dict[tuple[LinkName, str], int] = {}
        self._numbers = count(1)
        self._life = 0
        self._running = False

    def wall(self) -> datetime:
        """What the system's clock says."""
        drifted_ms = (self.world.true_ms - self._set_ms) * self.drift_ppm // 1_000_000
        return from_ms(max(0, self.world.true_ms + self.error_ms + drifted_ms))

    def set_wall(self, error_ms: int, *, drift_ppm: int = 0) -> None:
        self.error_ms, self.drift_ppm, self._set_ms = error_ms, drift_ppm, self.world.true_ms

    def power_on(self) -> None:
        """A new boot: uptime begins anew; nothing where it runs."""
        if self._running:
            return
        self.boot += 1
        self._booted_ms = self.world.true_ms
        self.start()

    def start(self) -> None:
        """The agent starts, as `edge.app` does it; nothing where it runs."""
        if self._running:
            return
        self._life += 1
        self._running = True
        self._opened = open_outbox(self._folder, boot=f"{self.boot:016x}", machine="pi", new_epoch=lambda: "e" * 16)
        outbox = self._opened.outbox
        self.clock = self._clock_type(
            is_synchronized=lambda: self.claims, uptime_s=lambda: self._uptime_ms() / 1_000, wall=self.wall
        )
        if outbox.anchor is not None:
            self.clock.recall(outbox.anchor)
        calls = Calls(outbox.calls, [], boot=outbox.boot)
        self._courier = Courier(
            outbox, publish=self._publish, lit=calls.lit, draw=self.random.random, machine="pi", home="hub-a"
        )
        self._loop = Loop(
            inbox=SimpleQueue(),
            clock=self.clock,
            outbox=outbox,
            courier=self._courier,
            memory=MemoryCourier(
                publish=lambda payload: self._publish(Channel.SOS, payload),
                boot=outbox.boot,
                new_epoch=lambda: "f" * 16,
            ),
            second=SecondCourier(
                Plan(has_broker=False),
                publish=lambda payload: False,
                hand_over=lambda request: None,
                told=Told(site="demo", node=NODE, labels={}, local=lambda at: at),
                book=outbox.calls,
                boot=outbox.boot,
            ),
            calls=calls,
            outputs=Outputs([], [], facts=outbox, boot=outbox.boot),
            upkeep=Upkeep(outbox, limit_bytes=1 << 30, min_disk_free=0, disk_free=lambda: 1 << 30, report=self._report),
            devices=[],
            rest=self,
            address=ADDRESS,
            version="0",
            new_ref=lambda device: device,
            watchdog=Watchdog({}),
        )
        self._turn()

    def stop(self) -> None:
        """The agent ends without a word; nothing where it does not run."""
        if not self._running:
            return
        self.link_down()
        self._running = False
        stored = self._opened.outbox.marks(Lane.TELEMETRY).next - 1
        for name in [name for name in self.made if ":" not in name][stored:]:
            del self.made[name]  # read in the last 0.2 s: promised to nobody
        self._opened.outbox.database.close()
        self._opened.lock.close()

    def link_up(self) -> None:
        if self._running and not self._up:
            self._up = {LinkName.SOS, LinkName.REST}
            self._turn(*(LinkUp(name) for name in LinkName if name in self._up))

    def link_down(self) -> None:
        if self._up:
            self._connection_lost()
            if self._running:
                self._turn(LinkDown(LinkName.SOS, "gone"), LinkDown(LinkName.REST, "gone"))

    def read(self, percent: float) -> None:
        """The bin's sensor measures."""
        if self._running:
            number = next(self._numbers)
            self._note(str(number))
            values = {"fill_percent": percent, "distance_mm": float(number)}
            self._turn(Sampled(BIN, "fill_level", Measurement(values, 95), self._uptime_ms()))

    def press(self) -> None:
        """The wearer calls for help."""
        if self._running:
            ref = f"{BAND}:{next(self._numbers)}"
            self._note(ref)
            at_s = self._uptime_ms() / 1_000
            self._turn(Occurred(BAND, Occurrence(event="sos_pressed", at_s=at_s, ref=ref)))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> object:
        """The birth is of no matter here."""
        return self

    def _report(self, event: EventName, details: dict[str, Any]) -> None:
        self.reports.append((self.world.true_ms, event, details))

    def _connection_lost(self) -> None:
        self._up = set()
        self._life += 1

    def _uptime_ms(self) -> int:
        return self.world.true_ms - self._booted_ms

    def _note(self, name: str) -> None:
        self.made[name] = (self.world.true_ms, self.boot)

    def _turn(self, *items: Item) -> None:
        if self.claims and abs(to_ms(self.wall()) - self.world.true_ms) > 1_000:
            self.lied.setdefault(self.boot, self.world.true_ms)
        self._loop.turn(items, self.clock.moment())
        life = self._life
        self.world.after(_GROUP_MS, lambda: self._wake(life, group=True))
        due_ms = self._courier.wake_ms()
        if due_ms is not None:
            self.world.at(max(self._booted_ms + due_ms, self.world.true_ms) + 1, lambda: self._wake(life, group=False))

    def _wake(self, life: int, *, group: bool) -> None:
        if life != self._life or not self._running:
            return
        due_ms = self._courier.wake_ms()
        if group:
            self._loop.turn((), self.clock.moment())
        elif due_ms is not None and due_ms <= self._uptime_ms():
            self._turn()

    def _publish(self, channel: Channel, payload: bytes) -> bool:
        link = LinkName.SOS if channel.lane is Lane.SOS else LinkName.REST
        if link not in self._up:
            return False
        life = self._life
        self._travel(link, "up", lambda: self._reaches_hub(link, channel, payload, life))
        return True

    def _reaches_hub(self, link: LinkName, channel: Channel, payload: bytes, life: int) -> None:
        if life != self._life:
            return
        for answer, said in self.hub.take(channel, payload, at_ms=self.world.true_ms):
            arrived = Arrived(link, ADDRESS.topic(answer), said)
            self._travel(link, "down", lambda arrived=arrived: self._hears(arrived, life, greeted=channel.is_hello))

    def _hears(self, arrived: Arrived, life: int, *, greeted: bool) -> None:
        if life == self._life:
            if greeted:
                self.contact.setdefault(self.boot, self.world.true_ms)
            self._turn(arrived)

    def _travel(self, link: LinkName, way: str, arrives: Callable[[], None]) -> None:
        """A connection keeps the order of its messages; each way takes up to 0.4 s."""
        at_ms = max(self._busy_ms.get((link, way), 0), self.world.true_ms + self.random.choice((2, 8, 30, 120, 400)))
        self._busy_ms[link, way] = at_ms
        self.world.at(at_ms, arrives)
