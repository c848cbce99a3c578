"""Turns of the agent's loop in a time of the test's own, with a real outbox and a hub in memory."""

from collections.abc import Generator
from pathlib import Path

import pytest

from edge.agent.devices import Occurred
from edge.agent.loop import GROUP_MS, Stop
from edge.drivers.driver import Occurrence
from edge.errors import OutboxError
from edge.link import Arrived, LinkDown, LinkName, LinkUp
from edge.outbox import open_outbox
from edge.sms.desk import Texted
from protocols.ack import SosStage
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import Channel
from tests.contract.edge.outbox_life import OutboxLife, a_reading, store
from tests.fakes.agent_node import ADDRESS, Node, clear, fill, opened_lid, pressed, sampled, spoil, stored
from tests.fakes.lane_hub import LaneHub


@pytest.fixture
def node(tmp_path: Path) -> Generator[Node]:
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: "e" * 16)
    node = Node(opened)
    node.at(0, LinkUp(LinkName.SOS), LinkUp(LinkName.REST))
    yield node
    clear(node)
    opened.close(in_order=True)


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


def test_a_press_that_was_stored_but_not_read_back_is_stored_once(node: Node) -> None:
    database = node.opened.outbox.database
    database.rows("ALTER TABLE calls RENAME COLUMN heard_by TO unheard")
    for now_ms in (1_000, 2_000, 3_000):
        node.at(now_ms, *[pressed()] * (now_ms == 1_000))
    assert stored(node, Lane.SOS) == 1
    assert node.light.stages[:2] == ["failed", "sent"], "meanwhile it goes as what the disk does not take"
    node.at(3_500, pressed("band-07:2"))
    database.rows("ALTER TABLE calls RENAME COLUMN unheard TO heard_by")
    node.at(4_500)
    assert stored(node, Lane.SOS) == 2
    assert [call.ref for call in node.opened.outbox.calls.calls()] == ["band-07:1", "band-07:2"]
    assert node.light.stages[-1] == "sent"


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


def test_a_call_that_a_restored_hub_does_not_know_yet_stays_open_until_the_hub_has_it_and_lists_it_no_more(
    node: Node,
) -> None:
    backup = node.hub.snapshot()
    node.at(1_000, pressed())
    node.hub.restore(backup)
    node.at(900_000)
    assert node.light.stages == ["stored", "sent"]
    assert node.opened.outbox.marks(Lane.SOS).done == 1, "it was sent again"
    node.hub.stage("band-07:1", SosStage.HEARD, by="Duty desk")
    node.at(930_000)
    assert node.light.stages == ["stored", "sent", "heard"]
    node.hub.calls.clear()
    node.at(960_000)
    assert node.light.stages == ["stored", "sent", "heard", "cleared"]


@pytest.mark.parametrize("table", ["records", "calls", "lanes"])
def test_a_press_that_a_corrupt_outbox_does_not_take_is_with_the_hub_and_shown_before_the_agent_ends(
    node: Node, table: str
) -> None:
    spoil(node, table)
    node.cut = True
    assert node.at(1_000, pressed())
    assert node.light.stages == ["failed"]
    assert node.at(11_000)
    assert node.siren.signals == ["siren"]
    node.cut = False
    node.at(13_000)
    assert "band-07:1" in node.hub.calls
    assert node.light.stages[-1] == "sent"
    assert not node.at(13_100), "what is left is saved by the next start"
    assert node.opened.outbox.spoilt is not None


def test_a_corrupt_outbox_ends_the_agent_in_order_where_no_call_is_held(node: Node) -> None:
    spoil(node, "records")
    assert not node.at(1_000, sampled(1), opened_lid())
    node.inbox.put(sampled(2))
    node.loop.finish()


def test_a_call_that_only_memory_holds_is_with_the_hub_before_the_agent_is_gone(node: Node) -> None:
    spoil(node, "records")
    node.running_until_ms = 1_000
    node.inbox.put(pressed())
    node.loop.finish()
    assert "band-07:1" in node.hub.calls
    assert node.now_ms < 5_000


def test_readings_that_a_start_left_in_a_corrupt_outbox_follow_the_new_ones_each_once(tmp_path: Path) -> None:
    life = OutboxLife(tmp_path)
    store(life.open(), *[a_reading(float(number)) for number in range(10_600)])
    life.crash()
    life.execute("PRAGMA user_version = 99")
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: "e" * 16)
    node = Node(opened)
    node.at(0, LinkUp(LinkName.SOS), LinkUp(LinkName.REST), sampled(-1.0))
    for second in range(1, 5):
        node.at(second * 1_000)
    records = node.hub.books["e" * 16, Lane.TELEMETRY].records.values()
    levels = [record.values["fill_percent"] for record in records if isinstance(record, Reading)]
    assert sorted(levels) == [-1.0, *map(float, range(10_600))]
    assert opened.outbox.epoch == "e" * 16
    opened.close(in_order=True)


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
