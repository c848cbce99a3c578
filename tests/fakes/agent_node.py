"""The agent's loop with a real outbox and a hub in memory, in a time of the test's own."""

from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

from edge.agent.calls import Calls
from edge.agent.devices import Occurred, Sampled
from edge.agent.loop import Inbox, Item, Loop
from edge.agent.outputs import Bound, Outputs, Signal
from edge.agent.upkeep import Upkeep
from edge.clock import EARLIEST, Clock, ClockSource, Moment
from edge.drivers.driver import Measurement, Occurrence, Stage
from edge.link import Arrived, LinkName
from edge.local_rules import BinFullRule, SosRule
from edge.outbox import Opened
from edge.sms.desk import TextRequest
from edge.sms.text import Told
from edge.uplink.courier import Courier
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.second_courier import SecondCourier
from edge.uplink.second_path import Plan
from edge.watchdog import Watchdog
from protocols.envelope import ClockState
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress, parse_topic
from tests.contract.edge.outbox_life import spoil_page
from tests.fakes.lane_hub import LaneHub

ADDRESS = NodeAddress("demo", "pi-1")


class Light:
    """An indicator on the node."""

    slug, shows, calls_for_help = "lamp", True, False

    def __init__(self) -> None:
        self.stages: list[str] = []

    def show(self, stage: Stage, *, ref: str) -> None:
        self.stages.append(stage.value)


class Siren:
    """A local output."""

    slug = "siren"

    def __init__(self) -> None:
        self.signals: list[str] = []

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal.value)


class Sensor:
    """A device that may hang."""

    stuck = False

    def is_stuck(self, *, at_s: float) -> bool:
        return self.stuck


class Fed(Watchdog):
    """Counts how often it is fed."""

    def __init__(self) -> None:
        super().__init__({})
        self.times = 0

    def feed(self, *, at_ms: int) -> None:
        self.times += 1


class Node:
    """A loop whose messages reach a hub in memory, or lie where they are while `cut`."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.hub = LaneHub()
        self.cut = False
        self.retained: list[bytes] = []
        self.answers: list[Item] = []
        self.sent: list[Channel] = []
        self.aside: list[bytes] = []
        self.texts: list[TextRequest] = []
        self.other = LaneHub("hub-b")
        self.light, self.siren, self.sensor, self.watchdog = Light(), Siren(), Sensor(), Fed()
        self.now_ms = 0
        self.running_until_ms: int | None = None
        """Time passes by itself, and answers come through the inbox; the hub is cut off until then."""
        self.inbox: Inbox = SimpleQueue()
        calls = Calls(opened.outbox.calls, [self.light], boot=opened.outbox.boot)
        epochs = iter(["1" * 16, "2" * 16])
        self.second = SecondCourier(
            Plan(has_broker=True, numbers=("110",)),
            publish=self._publish_aside,
            hand_over=self.texts.append,
            told=Told(site="demo", node="pi-1", labels={}, local=lambda at: at),
            book=opened.outbox.calls,
            boot=opened.outbox.boot,
        )
        self.loop = Loop(
            inbox=self.inbox,
            clock=Clock(ClockSource.SYSTEM, uptime_s=self._uptime_s, wall=lambda: self.moment.at),
            outbox=opened.outbox,
            courier=Courier(
                opened.outbox, publish=self._publish, lit=calls.lit, draw=lambda: 0.5, machine="pi", home=None
            ),
            memory=MemoryCourier(
                publish=self._publish_held,
                boot=opened.outbox.boot,
                new_epoch=lambda: next(epochs),
            ),
            second=self.second,
            calls=calls,
            outputs=Outputs(
                [Bound(BinFullRule(), "siren", {"bin-42-us": 60.0}), Bound(SosRule(), "siren", {"band-07": 60.0})],
                [self.siren],
                facts=opened.outbox,
                boot=opened.outbox.boot,
            ),
            upkeep=Upkeep(
                opened.outbox,
                limit_bytes=1 << 30,
                min_disk_free=0,
                disk_free=lambda: 1 << 30,
                report=lambda event, details: None,
            ),
            devices=[self.sensor],
            rest=self,
            address=ADDRESS,
            version="0.1.0",
            new_ref=lambda device: f"{device}:made",
            watchdog=self.watchdog,
        )

    @property
    def moment(self) -> Moment:
        return Moment(EARLIEST + timedelta(milliseconds=self.now_ms), self.now_ms, ClockState.SYNCED)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> object:
        assert parse_topic(topic).channel is Channel.STATUS
        assert retain
        self.retained.append(payload)
        return self

    def at(self, now_ms: int, *items: Item) -> bool:
        """A turn at that time, and further ones while the hub answers."""
        self.now_ms = now_ms
        going = self.loop.turn(items, self.moment)
        while self.answers:
            answers, self.answers = self.answers, []
            self.loop.turn(answers, self.moment)
        return going

    def _uptime_s(self) -> float:
        if self.running_until_ms is not None:
            self.now_ms += 200
            self.cut = self.now_ms < self.running_until_ms
        for answer in self.answers if self.running_until_ms is not None else ():
            self.inbox.put(answer)
            self.answers = []
        return self.now_ms / 1_000

    def _publish_held(self, payload: bytes) -> bool:
        self.second.publish(payload)
        return self._publish(Channel.SOS, payload)

    def _publish_aside(self, payload: bytes) -> bool:
        self.aside.append(payload)
        for answer, said in self.other.take(Channel.SOS, payload, at_ms=self.now_ms):
            self.answers.append(Arrived(LinkName.SECOND, ADDRESS.topic(answer), said))
        return True

    def _publish(self, channel: Channel, payload: bytes) -> bool:
        self.sent.append(channel)
        if not self.cut:
            for answer, said in self.hub.take(channel, payload, at_ms=self.now_ms):
                link = LinkName.SOS if answer.lane is Lane.SOS else LinkName.REST
                self.answers.append(Arrived(link, ADDRESS.topic(answer), said))
        return True


def fill(node: Node) -> None:
    """Let the disk take nothing more."""
    node.opened.outbox.database.rows("PRAGMA query_only = 1")


def clear(node: Node) -> None:
    """Let there be room again."""
    node.opened.outbox.database.rows("PRAGMA query_only = 0")


def sampled(level: float, *, uptime_ms: int = 0) -> Sampled:
    return Sampled("bin-42-us", "fill_level", Measurement({"fill_percent": level}, 100), uptime_ms)


def pressed(ref: str | None = "band-07:1") -> Occurred:
    return Occurred("band-07", Occurrence(event="sos_pressed", at_s=0.0, ref=ref))


def opened_lid() -> Occurred:
    return Occurred("bin-42-us", Occurrence(event="lid_opened", at_s=0.0))


def stored(node: Node, lane: Lane) -> int:
    return node.opened.outbox.marks(lane).next - 1


def spoil(node: Node, table: str) -> None:
    """Overwrite a page of the outbox under the running agent."""
    spoil_page(Path(node.opened.outbox.database.row("PRAGMA database_list")[2]), table)
