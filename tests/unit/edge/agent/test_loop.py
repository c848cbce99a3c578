"""Turns of the agent's loop in a time of the test's own, with a real outbox and a hub in memory."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest

from edge.agent.calls import Calls
from edge.agent.devices import Occurred, Sampled
from edge.agent.loop import GROUP_MS, Inbox, Item, Loop, Stop
from edge.agent.outputs import Bound, Outputs, Signal
from edge.agent.upkeep import Upkeep
from edge.clock import EARLIEST, Clock, ClockSource, Moment
from edge.drivers.driver import Measurement, Occurrence, Stage
from edge.errors import OutboxError
from edge.link import Arrived, LinkDown, LinkName, LinkUp
from edge.local_rules import BinFullRule, SosRule
from edge.outbox import Opened, open_outbox
from edge.sms.desk import Texted, TextRequest
from edge.sms.text import Told
from edge.uplink.courier import Courier
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.second_courier import SecondCourier
from edge.uplink.second_path import Plan
from edge.watchdog import Watchdog
from protocols.ack import SosStage
from protocols.envelope import ClockState
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress, parse_topic
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
            clock=Clock(ClockSource.SYSTEM, uptime_s=lambda: self.now_ms / 1_000, wall=lambda: self.moment.at),
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


@pytest.fixture
def node(tmp_path: Path) -> Generator[Node]:
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: "e" * 16)
    node = Node(opened)
    node.at(0, LinkUp(LinkName.SOS), LinkUp(LinkName.REST))
    yield node
    clear(node)
    opened.close(in_order=True)


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


def test_birth_is_told_on_every_connect(node: Node) -> None:
    node.at(1_000, LinkDown(LinkName.REST, "gone"))
    node.at(2_000, LinkUp(LinkName.REST))
    assert len(node.retained) == 2
    assert b'"online"' in node.retained[0]


@pytest.mark.parametrize(
    ("link", "key"), [(LinkName.SOS, "broker.password"), (LinkName.SECOND, "second_path.broker.password")]
)
def test_who_is_refused_is_told_once_which_password_to_check(
    node: Node, caplog: pytest.LogCaptureFixture, link: LinkName, key: str
) -> None:
    node.at(0, LinkDown(link, "Not authorized", refused=True), LinkDown(link, "Not authorized", refused=True))
    told = [vars(record) for record in caplog.records if record.msg == "link.refused"]
    assert [(one["link"], one["why"], one["hint"]) for one in told] == [(link, "Not authorized", f"check {key}")]


def test_readings_are_committed_together_at_the_latest_after_the_group_time(node: Node) -> None:
    node.at(1_000, sampled(1))
    node.at(1_100, sampled(2))
    assert stored(node, Lane.TELEMETRY) == 0
    node.at(1_000 + GROUP_MS)
    assert stored(node, Lane.TELEMETRY) == 2
    assert node.hub.messages == 1
    assert node.opened.outbox.marks(Lane.TELEMETRY).done == 2


def test_a_full_group_waits_for_nothing(node: Node) -> None:
    node.at(1_000, *[sampled(1)] * 200)
    assert stored(node, Lane.TELEMETRY) == 200


def test_an_event_is_committed_at_once_and_takes_waiting_readings_along(node: Node) -> None:
    node.at(1_000, sampled(1))
    node.at(1_001, opened_lid())
    assert (stored(node, Lane.EVENT), stored(node, Lane.TELEMETRY)) == (1, 1)
    (book,) = [book for (_, lane), book in node.hub.books.items() if lane is Lane.EVENT]
    assert book.records[1].ref == "bin-42-us:made"


def test_a_call_goes_before_everything_that_came_in_the_same_turn(node: Node) -> None:
    node.sent.clear()
    node.at(1_000, *[sampled(1)] * 200, opened_lid(), pressed())
    assert node.sent[0] is Channel.SOS
    assert node.light.stages == ["stored", "sent"]


def test_a_call_is_stored_and_shown_before_its_connection_is_up(tmp_path: Path) -> None:
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: "e" * 16)
    node = Node(opened)
    node.at(0, pressed())
    assert (node.light.stages, node.sent) == (["stored"], [])
    node.at(1_000, LinkUp(LinkName.SOS))
    assert node.light.stages == ["stored", "sent"]
    opened.close(in_order=True)


def test_what_the_disk_does_not_take_is_held_and_tried_again(node: Node) -> None:
    outbox = node.opened.outbox
    outbox.database.rows("PRAGMA query_only = 1")
    node.at(1_000, pressed(), opened_lid(), sampled(1))
    node.at(1_500)
    assert node.light.stages == ["failed", "sent"]
    outbox.database.rows("PRAGMA query_only = 0")
    node.at(1_900)
    assert stored(node, Lane.SOS) == 0, "not every turn knocks at a full disk"
    node.at(2_000)
    assert node.light.stages == ["failed", "sent", "stored", "sent"]
    assert [stored(node, lane) for lane in Lane] == [1, 1, 1]


def test_a_call_that_cannot_be_stored_is_sent_from_memory_until_the_hub_has_it(node: Node) -> None:
    fill(node)
    node.cut = True
    node.at(1_000, pressed())
    node.at(1_100, pressed("band-07:2"))
    assert node.light.stages == ["failed", "failed"]
    node.sent.clear()
    node.at(1_400)
    assert node.sent == []
    node.cut = False
    node.at(1_600)
    assert node.sent == [Channel.SOS]
    assert node.light.stages[-1] == "sent"
    assert {record.ref for record in node.hub.books["1" * 16, Lane.SOS].records.values()} == {"band-07:1", "band-07:2"}
    assert node.siren.signals == ["siren"], "nobody has heard it yet"
    node.sent.clear()
    node.at(1_999)
    node.at(9_000)
    assert Channel.SOS not in node.sent, "what the hub has is not said again"


def test_calls_sent_from_memory_are_sent_by_the_outbox_as_well_once_there_is_room(node: Node) -> None:
    for ref, epoch in (("band-07:1", "1" * 16), ("band-07:2", "2" * 16)):
        fill(node)
        node.at(node.now_ms + 1_000, pressed(ref))
        assert [record.ref for record in node.hub.books[epoch, Lane.SOS].records.values()] == [ref]
        clear(node)
        node.at(node.now_ms + 1_000)
    own = node.hub.books["e" * 16, Lane.SOS]
    assert [record.ref for record in own.records.values()] == ["band-07:1", "band-07:2"]
    assert node.opened.outbox.marks(Lane.SOS).done == 2
    assert {hello.epoch for hello in node.hub.hellos} == {"e" * 16}, "no hello closes the epoch of the outbox"


def test_a_call_that_cannot_be_stored_waits_for_its_connection_only(node: Node) -> None:
    fill(node)
    node.at(1_000, LinkDown(LinkName.SOS, "gone"))
    node.cut = True
    node.at(2_000, pressed())
    node.at(2_600)
    node.cut = False
    node.at(2_700, LinkUp(LinkName.SOS))
    assert node.light.stages[-1] == "sent"


def test_a_call_without_sent_goes_to_the_second_broker_as_well_while_the_first_path_goes_on(node: Node) -> None:
    node.cut = True
    node.at(0, LinkUp(LinkName.SECOND))
    node.at(1_000, pressed())
    node.at(3_900)
    assert node.aside == []
    node.sent.clear()
    node.at(4_000)
    assert len(node.aside) == 1
    assert node.light.stages[-1] == "sent", "another hub has it"
    node.at(6_000)
    assert Channel.SOS in node.sent, "the first path is not left"
    assert node.opened.outbox.marks(Lane.SOS).done == 0, "another hub's word marks nothing done"
    assert node.opened.outbox.home == "hub-a"
    node.cut = False
    node.at(10_000)
    assert node.opened.outbox.marks(Lane.SOS).done == 1
    (record,) = node.hub.books["e" * 16, Lane.SOS].records.values()
    assert [record.ref] == list(node.other.calls) == list(node.hub.calls), "one press for both"


def test_a_hub_that_was_never_home_does_not_become_it_by_the_second_path(tmp_path: Path) -> None:
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: "e" * 16)
    node = Node(opened)
    node.at(0, pressed(), LinkUp(LinkName.SECOND))
    node.at(3_000)
    assert node.light.stages == ["stored", "sent"]
    assert (opened.outbox.home, opened.outbox.marks(Lane.SOS).done) == (None, 0)
    node.at(60_000, LinkUp(LinkName.SOS))
    assert (opened.outbox.home, opened.outbox.marks(Lane.SOS).done) == ("hub-a", 1)
    assert opened.outbox.epoch == "e" * 16, "what left by the second path is known to have left"
    opened.close(in_order=True)


def test_the_home_hub_is_believed_by_the_second_path_too_but_for_what_is_done(node: Node) -> None:
    node.other = LaneHub("hub-a")
    node.cut = True
    node.at(0, LinkUp(LinkName.SECOND), pressed())
    node.at(3_000)
    node.other.stage("band-07:1", SosStage.HEARD, by="Duty desk")
    ((epoch, _),) = node.other.books
    channel, said = node.other.ack(Lane.SOS, epoch, at_ms=node.now_ms)
    node.at(4_000, Arrived(LinkName.SECOND, ADDRESS.topic(channel), said))
    assert node.light.stages == ["stored", "sent", "heard"]
    assert node.opened.outbox.marks(Lane.SOS).done == 0


def test_a_cancellation_follows_its_call_to_the_second_broker_once(node: Node) -> None:
    node.cut = True
    node.at(0, LinkUp(LinkName.SECOND), pressed())
    node.at(3_000)
    node.at(5_000, Occurred("band-07", Occurrence(event="sos_cancelled", at_s=5.0, ref="band-07:1")))
    node.at(20_000)
    assert len(node.aside) == 2
    assert b"sos_cancelled" in node.aside[1]


def test_a_text_is_handed_over_once_and_never_again_after_it_was_taken(node: Node, tmp_path: Path) -> None:
    node.cut = True
    node.at(0, pressed())
    for now_ms in range(0, 20_000, 500):
        node.at(now_ms)
    assert [(text.ref, text.number) for text in node.texts] == [("band-07:1", "110")]
    node.at(20_000, Texted("band-07:1", "110", refusal="no_network: it looks for one"))
    node.at(26_000)
    assert len(node.texts) == 2, "what was refused is tried again"
    node.at(27_000, Texted("band-07:1", "110"))
    node.at(200_000)
    assert len(node.texts) == 2
    again = Node(node.opened)
    again.cut = True
    for now_ms in range(200_000, 300_000, 5_000):
        again.at(now_ms)
    assert again.texts == [], "a restart does not double it"


def test_a_call_that_the_disk_does_not_take_goes_both_ways_too(node: Node) -> None:
    fill(node)
    node.cut = True
    node.at(0, LinkUp(LinkName.SECOND), pressed())
    for now_ms in range(500, 7_000, 500):
        node.at(now_ms)
    assert node.light.stages[-1] == "sent"
    assert "band-07:1" in node.other.calls
    assert [text.ref for text in node.texts] == ["band-07:1"]


def test_a_list_of_the_hub_that_cannot_be_noted_ends_nothing(node: Node) -> None:
    node.at(1_000, pressed())
    node.hub.calls.clear()
    node.opened.outbox.database.rows("PRAGMA query_only = 1")
    assert node.at(700_000)
    node.opened.outbox.database.rows("PRAGMA query_only = 0")
    node.at(800_000)
    assert [call.closed_at is not None for call in node.opened.outbox.calls.calls()] == [True]


def test_a_disk_that_takes_nothing_stops_neither_loop_nor_lanes(node: Node) -> None:
    node.at(1_000, LinkDown(LinkName.REST, "gone"))
    node.at(2_000, opened_lid())
    node.opened.outbox.database.rows("PRAGMA query_only = 1")
    node.at(3_000, LinkUp(LinkName.REST))
    assert Channel.EVENT not in node.sent, "what may have left must be known before it leaves"
    node.at(20_000)
    node.opened.outbox.database.rows("PRAGMA query_only = 0")
    node.at(70_000)
    assert node.opened.outbox.marks(Lane.EVENT).done == 1


def test_an_outbox_that_refuses_says_so(node: Node) -> None:
    node.opened.outbox.database.rows("PRAGMA query_only = 1")
    with pytest.raises(OutboxError, match="readonly"):
        node.opened.outbox.release(Lane.SOS, 1)
    node.opened.outbox.database.rows("PRAGMA query_only = 0")


def test_a_local_output_follows_readings_and_calls_even_when_nothing_can_be_stored(node: Node) -> None:
    node.opened.outbox.database.rows("PRAGMA query_only = 1")
    node.at(1_000, sampled(90, uptime_ms=1_000))
    node.at(2_000, sampled(90, uptime_ms=2_000))
    node.at(3_000, pressed())
    assert node.siren.signals == ["light", "siren"]
    node.opened.outbox.database.rows("PRAGMA query_only = 0")
    node.at(5_000)
    assert node.opened.outbox.fact("local_outputs") is not None


def test_an_unanswered_call_is_sent_again_by_the_ticking_of_the_loop(node: Node) -> None:
    node.cut = True
    node.at(1_000, pressed())
    node.sent.clear()
    node.at(1_400)
    assert node.sent == []
    node.at(1_500)
    assert node.sent == [Channel.SOS]


def test_nonsense_on_an_answer_topic_is_passed_over(node: Node) -> None:
    node.at(
        1_000,
        Arrived(LinkName.REST, "linli/v1/demo/pi-1/down/ack/telemetry", b"{"),
        Arrived(LinkName.REST, "linli/v1/demo/pi-1/down/ack/event", b'{"lane": "telemetry"}'),
        Arrived(LinkName.REST, "no topic of ours", b"{}"),
    )
    node.at(2_000, opened_lid())
    assert node.opened.outbox.marks(Lane.EVENT).done == 1


def test_a_stuck_sensor_starves_the_watchdog(node: Node) -> None:
    fed = node.watchdog.times
    node.sensor.stuck = True
    node.at(1_000)
    assert node.watchdog.times == fed
    node.sensor.stuck = False
    node.at(2_000)
    assert node.watchdog.times == fed + 1


def test_a_stop_ends_the_loop_and_what_has_still_come_is_stored(node: Node) -> None:
    assert node.at(1_000, sampled(1))
    assert not node.at(1_001, Stop())
    node.inbox.put(sampled(2))
    node.loop.finish()
    assert stored(node, Lane.TELEMETRY) == 2
