"""What an outage of the first path is made of (G6): faults, second paths, presses, hubs that make alerts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge.agent.outputs import Signal
from edge.drivers.driver import Stage
from edge.uplink import second_path
from edge.uplink.courier import Courier
from edge.uplink.second_courier import Advance, SecondCourier
from edge.watchdog import Watchdog
from protocols.codec import decode_lane_message
from protocols.events import Event
from protocols.lanes import Lane
from protocols.rejections import MessageRejection
from protocols.topics import Channel, NodeAddress
from tests.fakes.lane_hub import LaneHub
from tests.fakes.loop_story import START_MS, Story

ADDRESS: Final = NodeAddress("demo", "pi-1")
BAND: Final = "band-07"
NUMBERS: Final = ("+8613800138000", "+8613900139000")
START_WITHIN_MS: Final = 3_000
SIREN_WITHIN_MS: Final = 10_000
TICK_MS: Final = 50
"""The loop wakes within this; on a timeline it wakes at once."""
MENDED_WITHIN_MS: Final = 90_000
"""After the outage the first path brings everything within this: its longest pauses are 30 s."""


LEFT_MS: Final = 3_000
"""A first path that is connected and says nothing of a call for this long was left: its longest pause is 2.5 s."""


class Fault(StrEnum):
    """How the first path breaks."""

    BROKER_DEAD = "broker dead"
    HUB_FROZEN = "hub frozen"
    BLACK_HOLE = "black hole"
    SOS_ALONE = "black hole for SOS alone"
    ACK_LOST = "acks lost"
    FLAPPING = "flapping"


class Aside(StrEnum):
    """What there is of a second path."""

    SAME_HUB = "second broker of the same hub"
    OTHER_HUB = "second hub"
    TEXTS = "texts"
    HUB_AND_TEXTS = "second hub and texts"
    DEAD_AND_TEXTS = "dead second broker and texts"


@dataclass(frozen=True, slots=True)
class Build:
    """What is under test; a mutant is another one."""

    courier: type[Courier] = Courier
    second: type[SecondCourier] = SecondCourier
    advance: Advance = second_path.advance
    siren_after_s: float = 0.0
    rewritten: Callable[[bytes], bytes] = bytes
    """What becomes of a message before it leaves on the second path."""


@dataclass(slots=True)
class Press:
    """One press and when what became of it, on the world's time."""

    ref: str
    at_ms: int
    started_ms: int | None = None
    siren_ms: int | None = None
    failed_ms: int | None = None
    sent_ms: int | None = None


@dataclass(slots=True)
class Seen:
    """What one outage came to."""

    fault: Fault
    aside: Aside
    presses: int = 0
    kills: int = 0
    start_ms: list[int] = field(default_factory=list[int])
    after_restart_ms: list[int] = field(default_factory=list[int])
    """How long after its restart an edge started the second path that lay dead when it was due."""
    siren_ms: list[int] = field(default_factory=list[int])
    failed_ms: list[int] = field(default_factory=list[int])
    """How long after the press the light said that nobody has heard of it."""
    texts: int = 0
    doubted: int = 0
    wrong: list[str] = field(default_factory=list[str])


class Hub:
    """A hub's lanes and, of every record that is new to it, the alerts of the real domain."""

    def __init__(self, hub_id: str) -> None:
        self.lanes = LaneHub(hub_id)
        self.story = Story()
        self._heard: set[tuple[str, int]] = set()

    def take(self, channel: Channel, payload: bytes, at_ms: int) -> list[tuple[Channel, bytes]]:
        if not channel.is_hello and channel.lane is Lane.SOS:
            message = decode_lane_message(payload)
            assert not isinstance(message, MessageRejection), message
            self.story.now_ms = START_MS + at_ms
            for seq, record in enumerate(message.records, start=message.header.first):
                key = (message.header.epoch, seq)
                if isinstance(record, Event) and key not in self._heard:
                    self._heard.add(key)
                    self.story.heard(record.ref, event=record.event)
        return self.lanes.take(channel, payload, at_ms=at_ms)

    @property
    def alerts_of(self) -> Counter[str]:
        """How many alerts list a press."""
        alerts = self.story.unit.alerts
        found = [alerts.get(alert_id) for alert_id in alerts.rows]
        return Counter(ref for alert in found if alert is not None for ref in alert.refs)

    @property
    def alerts(self) -> int:
        return len(self.story.unit.alerts.rows)


class Indicator:
    """The light on the node."""

    slug, shows, calls_for_help = "lamp", True, False

    def __init__(self) -> None:
        self.stage, self.ref = "", ""

    def show(self, stage: Stage, *, ref: str) -> None:
        self.stage, self.ref = stage.value, ref


class Siren:
    """The siren on the node; silent after a power cut."""

    slug = "siren"

    def __init__(self) -> None:
        self.sounds = False

    def signal(self, signal: Signal) -> None:
        self.sounds = signal is Signal.SIREN


class Fed(Watchdog):
    """No service manager listens."""

    def __init__(self) -> None:
        super().__init__({})


class Nowhere:
    """The connection for everything but SOS, of which nothing is looked at here."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> object:
        return self
