"""The hot path on a real database: the hub's rules of the wire contract, one by one."""

import hashlib
import json
from typing import Any

import pytest

from hub.alerts.alert import SosOutcome
from hub.alerts.lifecycle import MERGE_MS
from hub.alerts.ports import AlertQuery
from hub.alerts.service import resolve
from hub.errors import StorageError
from hub.events import AlertChanged, LifeSafetyHeard
from hub.ingest.intake import MOST_UNUSABLE
from hub.ingest.throttle import MESSAGE
from hub.telemetry.series import SeriesQuery
from hub.vocabulary import FaultCode
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.integration.ingest.conftest import START_MS, THROTTLED_BY, IngestHarness, a_press, a_reading

OTHER_EPOCH = "00000000000000aa"
BURST = THROTTLED_BY.burst
AT_ONCE = BURST // MESSAGE
"""So many messages that cannot be used exhaust it."""


def fill_levels(ingest: IngestHarness) -> list[float]:
    query = SeriesQuery("demo", "bin-1", "fill_percent", 0, START_MS * 2)
    return [sample.value for sample in ingest.telemetry.query(query).samples]


def test_records_are_stored_in_order_and_acknowledged_cumulatively(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10), a_reading(fill_percent=11))
    ingest.send(Lane.TELEMETRY, 3, a_reading(fill_percent=12))
    assert fill_levels(ingest) == [10, 11, 12]
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 3
    assert ingest.lane(Lane.TELEMETRY).stored == 3


def test_a_repeat_is_skipped_and_the_first_content_stands(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=99), a_reading(fill_percent=11))
    assert fill_levels(ingest) == [10, 11]
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.duplicates) == (2, 1)


@pytest.mark.parametrize("first", [2, 5])
def test_nothing_behind_a_hole_is_taken_also_at_the_start_of_an_epoch(ingest: IngestHarness, first: int) -> None:
    ingest.send(Lane.TELEMETRY, first, a_reading())
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 0
    assert fill_levels(ingest) == []


def test_an_ack_that_tells_nothing_new_is_repeated_at_most_every_fifth_of_a_second(ingest: IngestHarness) -> None:
    for _ in range(5):
        ingest.send(Lane.TELEMETRY, 7, a_reading())
    assert len(ingest.answers) == 1
    ingest.now_ms += 200
    ingest.send(Lane.TELEMETRY, 7, a_reading())
    assert len(ingest.answers) == 2


def test_every_hello_is_answered_and_its_uptime_echoed(ingest: IngestHarness) -> None:
    for _ in range(3):
        ingest.hello(Lane.EVENT, 1)
    assert [answer["uptime_ms"] for _, answer in ingest.answers] == [777, 777, 777]
    ingest.send(Lane.TELEMETRY, 1, a_reading())
    assert "uptime_ms" not in ingest.last_answer(Lane.TELEMETRY)


def test_a_gap_above_what_hello_said_is_refused_and_taken_after_it(ingest: IngestHarness) -> None:
    gap = {"gap": {"to": 9, "reason": "evicted"}}
    ingest.send(Lane.TELEMETRY, 1, gap, a_reading())
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 0
    ingest.hello(Lane.TELEMETRY, 11)
    ingest.send(Lane.TELEMETRY, 1, gap, a_reading())
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.gaps, lane.stored) == (10, 9, 1)
    assert ingest.incidents() == ["gap"]


def test_of_a_gap_only_what_lies_above_the_high_water_counts(ingest: IngestHarness) -> None:
    ingest.hello(Lane.TELEMETRY, 11)
    ingest.send(Lane.TELEMETRY, 1, a_reading(), a_reading())
    ingest.send(Lane.TELEMETRY, 1, {"gap": {"to": 5, "reason": "thinned"}})
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.stored, lane.gaps) == (5, 2, 3)


@pytest.mark.parametrize(
    ("lane", "record", "reason"),
    [
        (Lane.TELEMETRY, a_reading(device="nobody"), "unknown_device"),
        (Lane.TELEMETRY, a_reading(device="bin-1-other"), "foreign_device"),
        (Lane.TELEMETRY, a_reading(kind="pool"), "unknown_kind"),
        (Lane.EVENT, a_press(event="danced"), "unknown_event"),
        (Lane.EVENT, a_reading(), "wrong_lane"),
        (Lane.SOS, a_press(event="tamper"), "wrong_lane"),
        (Lane.TELEMETRY, {"device": "bin-1-us"}, "schema_invalid"),
        (Lane.TELEMETRY, a_reading(fill_percent=float("nan")), "not_finite"),
        (Lane.TELEMETRY, a_reading(fill_percent=100.5), "out_of_range"),
        (Lane.EVENT, a_press(event="tamper", details={"x": "y" * 70_000}), "record_too_large"),
    ],
)
def test_a_record_that_cannot_be_used_is_quarantined_and_consumes_its_seq(
    ingest: IngestHarness, lane: Lane, record: dict[str, Any], reason: str
) -> None:
    ingest.send(lane, 1, record)
    assert ingest.held() == [(reason, 1)]
    found = ingest.lane(lane)
    assert (found.high_water, found.quarantined) == (1, 1)


def test_a_radio_device_may_be_reported_by_any_node(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(device="bin-1-radio"), node="pi-2")
    assert fill_levels(ingest) == [40]


def test_a_frame_that_two_nodes_heard_is_evaluated_once(ingest: IngestHarness) -> None:
    frame = a_reading(device="bin-1-radio", fill_percent=95, ref="bin-1-radio:7")
    ingest.send(Lane.TELEMETRY, 1, frame)
    ingest.send(Lane.TELEMETRY, 1, frame, node="pi-2")
    with ingest.transactions.read() as unit:
        assert unit.alerts.open_of("facility:demo.bin-1", FaultCode.BIN_FULL) is None
    ingest.send(Lane.TELEMETRY, 2, {**frame, "ref": "bin-1-radio:8"})
    with ingest.transactions.read() as unit:
        assert unit.alerts.open_of("facility:demo.bin-1", FaultCode.BIN_FULL) is not None


def test_an_undecodable_message_is_held_once_and_its_node_told(ingest: IngestHarness) -> None:
    payload = b'{"schema": 1, "epoch": "oops"}'
    for _ in range(3):
        ingest.deliver(Channel.TELEMETRY, payload)
    assert ingest.held() == [("malformed_json", 3)]
    refusal = {"lane": "telemetry", "refused": "malformed_json", "hash": hashlib.sha256(payload).hexdigest()}
    assert [answer for _, answer in ingest.answers] == [refusal] * 3


def test_a_message_that_is_sent_again_with_a_new_now_is_the_same_message(ingest: IngestHarness) -> None:
    for second in range(3):
        ingest.now_ms += 1000 * second
        ingest.send(Lane.TELEMETRY, 1, a_reading(), node="stranger")
    assert ingest.held() == [("unknown_node", 3)]
    assert ingest.answers == []


def test_a_newer_epoch_closes_the_older_with_its_loss_and_the_rest_of_it_still_drains(ingest: IngestHarness) -> None:
    ingest.hello(Lane.TELEMETRY, 6)
    ingest.send(Lane.TELEMETRY, 1, a_reading(), a_reading())
    ingest.hello(Lane.TELEMETRY, 1, epoch=OTHER_EPOCH)
    closed = ingest.lane(Lane.TELEMETRY)
    assert (closed.closed_at_ms, closed.loss, closed.produced) == (START_MS, 3, 5)
    assert "outbox_reset" in ingest.incidents()
    ingest.send(Lane.TELEMETRY, 3, a_reading())
    assert ingest.lane(Lane.TELEMETRY).loss == 2
    assert ingest.lane(Lane.TELEMETRY, OTHER_EPOCH).closed_at_ms is None


def test_two_boots_that_alternate_in_one_epoch_are_told_as_a_clone_once(ingest: IngestHarness) -> None:
    for boot in ("a" * 16, "b" * 16, "a" * 16, "b" * 16):
        ingest.hello(Lane.EVENT, 1, boot=boot)
    assert ingest.incidents() == ["cloned"]


def test_an_sos_raises_behind_a_hole_at_once_and_once(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 3, a_press("band-1:3"))
    ingest.send(Lane.SOS, 3, a_press("band-1:3"))
    heard = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert [event.ref for event in heard] == ["band-1:3"]
    answer = ingest.last_answer(Lane.SOS)
    assert (answer["hw"], [receipt["seq"] for receipt in answer["sos"]]) == (0, [3])
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), a_press("band-1:2"))
    lane = ingest.lane(Lane.SOS)
    assert (lane.high_water, lane.stored) == (3, 3)


def test_what_was_handled_behind_a_hole_is_known_after_a_restart(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 2, a_press("band-1:2"))
    ingest.start()
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), a_press("band-1:2"))
    heard = [event.ref for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert heard == ["band-1:2", "band-1:1"]
    assert ingest.lane(Lane.SOS).high_water == 2


def test_a_life_safety_event_raises_in_whichever_lane_it_comes(ingest: IngestHarness) -> None:
    ingest.send(Lane.EVENT, 1, a_press("band-1:1"))
    ingest.send(Lane.TELEMETRY, 1, a_press("band-1:2", event="fall_detected"))
    heard = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert [(one.fault_code, one.ref) for one in heard] == [("sosPressed", "band-1:1"), ("fallDetected", "band-1:2")]
    assert [(one.device, one.source_unknown) for one in heard] == [("band-1", False)] * 2


@pytest.mark.parametrize("lane", [Lane.EVENT, Lane.TELEMETRY])
def test_a_life_safety_event_of_an_unknown_device_raises_in_another_lane_too(ingest: IngestHarness, lane: Lane) -> None:
    tamper = a_press("9", device="nobody", event="tamper", details={"says": "sos_pressed"})
    ingest.send(lane, 1, a_press("1", device="nobody"), tamper)
    (heard,) = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (heard.ref, heard.subject.node, heard.source_unknown) == ("1", "demo.pi-1", True)
    assert ingest.lane(lane).quarantined == 2


@pytest.mark.parametrize(
    "record",
    [a_press(device="nobody"), a_press(event="sos_pressd"), {"device": "band-1"}, a_press(device="bin-1-other")],
)
def test_an_sos_that_cannot_be_used_raises_at_its_node(ingest: IngestHarness, record: dict[str, Any]) -> None:
    ingest.send(Lane.SOS, 1, record)
    (heard,) = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (heard.subject.node, heard.source_unknown) == ("demo.pi-1", True)
    assert ingest.lane(Lane.SOS).quarantined == 1


def steps(ingest: IngestHarness) -> list[tuple[str, str]]:
    return [(event.subject.key, event.step) for event in ingest.happened if isinstance(event, AlertChanged)]


def test_the_first_press_of_each_of_two_unknown_buttons_is_told_though_both_count_from_one(
    ingest: IngestHarness,
) -> None:
    ingest.send(Lane.SOS, 1, a_press("1", device="button-a"))
    ingest.now_ms += 60_000
    ingest.send(Lane.SOS, 2, a_press("1", device="button-b"))
    assert steps(ingest) == [("node:demo.pi-1", "fired"), ("node:demo.pi-1", "pressed_again")]
    told = [(receipt["ref"], receipt["seq"]) for receipt in ingest.last_answer(Lane.SOS)["sos"]]
    assert told == [("1", 1), ("1", 2)]


def test_an_unknown_button_at_another_node_is_another_call(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press("1", device="button"))
    ingest.send(Lane.SOS, 1, a_press("1", device="button"), node="pi-2")
    assert steps(ingest) == [("node:demo.pi-1", "fired"), ("node:demo.pi-2", "fired")]


def test_the_same_call_of_an_unknown_button_is_told_once_however_often_it_comes(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press("1", device="button-a"))
    ingest.send(Lane.SOS, 1, a_press("1", device="button-a"))
    ingest.send(Lane.SOS, 7, a_press("1", device="button-a"), epoch=OTHER_EPOCH)
    assert steps(ingest) == [("node:demo.pi-1", "fired")], "again, by a second path, or moved into a new epoch"


def test_an_sos_message_that_cannot_be_decoded_raises_one_alert_however_often_it_is_sent(
    ingest: IngestHarness,
) -> None:
    for _ in range(3):
        ingest.deliver(Channel.SOS, b"help \xff")
    fired = [event for event in ingest.happened if isinstance(event, AlertChanged)]
    assert [(event.subject.node, event.step) for event in fired] == [("demo.pi-1", "fired")]


def test_broken_bytes_that_were_refused_in_another_lane_still_call_in_the_sos_lane(ingest: IngestHarness) -> None:
    ingest.deliver(Channel.TELEMETRY, b"help \xff")
    ingest.deliver(Channel.SOS, b"help \xff")
    assert [event.step for event in ingest.happened if isinstance(event, AlertChanged)] == ["fired"]


def test_an_sos_of_an_unknown_node_raises_at_its_site(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press(), node="stranger")
    (heard,) = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (heard.subject.site, heard.subject.node, heard.subject.facility) == ("demo", None, None)


def test_an_old_sos_is_raised_with_its_age(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press(at=format_ms(START_MS - 3_600_000)))
    (heard,) = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (heard.late, heard.at_ms) == (True, START_MS - 3_600_000)


def test_a_late_reading_is_history_and_calls_no_crew(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=20))
    hour_ago = format_ms(START_MS - 3_600_000)
    ingest.send(Lane.TELEMETRY, 2, *(a_reading(fill_percent=95, at=hour_ago) for _ in range(3)))
    assert fill_levels(ingest) == [95, 95, 95, 20]
    with ingest.transactions.read() as unit:
        assert unit.alerts.open_of("facility:demo.bin-1", FaultCode.BIN_FULL) is None


def test_a_crash_between_the_telemetry_commit_and_the_state_commit_neither_loses_nor_doubles(
    ingest: IngestHarness,
) -> None:
    ingest.fail_next = StorageError("power cut")
    with pytest.raises(StorageError):
        ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10), a_reading(fill_percent=11))
    assert ingest.answers == []
    ingest.start()
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10), a_reading(fill_percent=11), a_reading(fill_percent=12))
    assert fill_levels(ingest) == [10, 11, 12]
    assert ingest.lane(Lane.TELEMETRY).high_water == 3


def test_a_payload_that_names_another_lane_moves_nothing(ingest: IngestHarness) -> None:
    ingest.hello(Lane.SOS, 9, said_lane="telemetry")
    assert ingest.last_answer(Lane.SOS)["refused"] == "malformed_json"
    with ingest.transactions.read() as unit:
        assert unit.lanes.items("demo", "pi-1") == []


def test_the_answers_of_the_sos_lane_carry_receipts_and_those_of_the_others_do_not(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press())
    (receipt,) = ingest.last_answer(Lane.SOS)["sos"]
    assert (receipt["ref"], receipt["seq"], receipt["stage"]) == ("band-1:1", 1, "received")
    ingest.send(Lane.TELEMETRY, 1, a_reading())
    assert "sos" not in ingest.last_answer(Lane.TELEMETRY)
    assert json.dumps(ingest.last_answer(Lane.SOS))


def test_a_node_that_sends_too_much_unusable_waits_and_what_calls_for_help_does_not(ingest: IngestHarness) -> None:
    for number in range(AT_ONCE + 50):
        ingest.deliver(Channel.EVENT, b"broken %d" % number)
    ingest.deliver(Channel.hello(Lane.EVENT), b"broken as well")
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    refused = {"reason": "malformed_json"}
    assert ingest.sample("linli_messages_refused_total", refused) == AT_ONCE
    assert fill_levels(ingest) == []
    assert ingest.pipelines["rest"].postponed == 52
    ingest.send(Lane.EVENT, 1, a_press())
    ingest.deliver(Channel.SOS, b"no JSON either")
    assert [type(event) for event in ingest.happened if isinstance(event, LifeSafetyHeard)] == [LifeSafetyHeard] * 2
    ingest.hello(Lane.TELEMETRY, 2)
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 0, "it lives, and is answered"
    calling = b'{"records": [{"event": "sos_pressed"}]}'
    ingest.deliver(Channel.TELEMETRY, calling)
    assert ingest.pipelines["rest"].postponed == 53, "what may hold a call is looked at, and this holds none"
    ingest.take_postponed()
    assert ingest.pipelines["rest"].postponed == 0
    assert ingest.sample("linli_messages_refused_total", refused) == AT_ONCE + 53, "of what is unusable all is kept"
    assert fill_levels(ingest) == [10], "and of what is good"
    assert ingest.sample("linli_messages_throttled_total") == 0


def test_a_call_among_the_readings_of_a_throttled_node_is_heard_at_once(ingest: IngestHarness) -> None:
    for number in range(AT_ONCE):
        ingest.deliver(Channel.EVENT, b"broken %d" % number)
    ingest.send(Lane.TELEMETRY, 1, a_press())
    assert [event.ref for event in ingest.happened if isinstance(event, LifeSafetyHeard)] == ["band-1:1"]


@pytest.mark.parametrize("lane", [Lane.EVENT, Lane.TELEMETRY])
@pytest.mark.parametrize("device", ["band-1", "nobody"])
def test_a_call_behind_what_was_put_off_of_its_own_node_is_heard_at_once_and_once(
    ingest: IngestHarness, lane: Lane, device: str
) -> None:
    for number in range(AT_ONCE):
        ingest.deliver(Channel.EVENT, b"broken %d" % number)
    ingest.send(lane, 1, a_press("t:1", event="tamper"))
    assert ingest.pipelines["rest"].postponed == 1
    for _ in range(3):
        ingest.send(lane, 2, a_press("t:2", event="tamper"), a_press("1", device=device))
    assert [step for _, step in steps(ingest)] == ["fired"]
    assert ingest.lane(lane).high_water == 0
    ingest.take_postponed()
    ingest.send(lane, 2, a_press("t:2", event="tamper"), a_press("1", device=device))
    assert ingest.lane(lane).high_water == 3
    assert [step for _, step in steps(ingest)] == ["fired"]


@pytest.mark.parametrize("device", ["band-1", "nobody"])
def test_a_call_behind_a_hole_that_a_person_has_closed_is_not_a_new_one_when_it_is_sent_again(
    ingest: IngestHarness, device: str
) -> None:
    ingest.send(Lane.EVENT, 2, a_press("1", device=device))
    with ingest.transactions.begin() as unit:
        (alert,) = unit.alerts.find(AlertQuery(limit=2))
        resolve(unit.alerts, alert.id, outcome=SosOutcome.HELPED, person="p", at_ms=ingest.now_ms)
    for _ in range(3):
        ingest.now_ms += MERGE_MS + 1_000
        uptime_ms = 2_000 + ingest.now_ms - START_MS
        now = {"at": format_ms(ingest.now_ms), "uptime_ms": uptime_ms}
        ingest.send(Lane.EVENT, 2, a_press("1", device=device), now=now)
    assert ingest.lane(Lane.EVENT).high_water == 0
    assert [step for _, step in steps(ingest)].count("fired") == 1


def test_what_raised_no_alarm_puts_off_nothing_that_cannot_be_read_where_calls_come(ingest: IngestHarness) -> None:
    for number in range(2 * AT_ONCE):
        ingest.deliver(Channel.hello(Lane.SOS), b"broken %d" % number)
        ingest.send(Lane.SOS, number + 1, a_reading())
    ingest.deliver(Channel.SOS, b"no JSON")
    assert len([event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]) == 1


def test_what_was_put_off_and_not_committed_is_put_off_again_in_its_place(ingest: IngestHarness) -> None:
    for number in range(AT_ONCE):
        ingest.deliver(Channel.EVENT, b"broken %d" % number)
    for first in (1, 2):
        ingest.send(Lane.TELEMETRY, first, a_reading(fill_percent=10 * first))
    pipeline = ingest.pipelines["rest"]
    pipeline.put_back(pipeline.take_postponed())
    assert pipeline.postponed == 2
    ingest.take_postponed()
    assert sorted(fill_levels(ingest)) == [10, 20]


def test_what_a_node_sends_behind_its_postponed_messages_keeps_its_place(ingest: IngestHarness) -> None:
    for number in range(AT_ONCE):
        ingest.deliver(Channel.EVENT, b"broken %d" % number)
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    ingest.now_ms += 60_000
    ingest.send(Lane.TELEMETRY, 2, a_reading(fill_percent=20))
    assert fill_levels(ingest) == [], "the first of them waits still"
    ingest.take_postponed()
    ingest.send(Lane.TELEMETRY, 3, a_reading(fill_percent=30))
    assert sorted(fill_levels(ingest)) == [10, 20, 30]


def test_where_calls_come_what_cannot_be_read_waits_once_its_alarm_is_up_and_calls_do_not(
    ingest: IngestHarness,
) -> None:
    for number in range(AT_ONCE + 50):
        ingest.deliver(Channel.SOS, b"broken %d" % number)
    assert ingest.pipelines["sos"].postponed == 50
    assert len([event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]) == AT_ONCE
    ingest.send(Lane.SOS, 1, a_press())
    heard = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (len(heard), heard[-1].ref) == (AT_ONCE + 1, "band-1:1")
    ingest.take_postponed("sos")
    assert len([event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]) == AT_ONCE + 51
    assert ingest.sample("linli_messages_throttled_total") == 0


def test_records_that_cannot_be_used_count_as_messages_do_and_the_other_nodes_go_on(ingest: IngestHarness) -> None:
    for first in range(1, BURST + 1, 100):
        ingest.send(Lane.TELEMETRY, first, *[a_reading(device="nobody")] * 100)
    ingest.send(Lane.TELEMETRY, BURST + 1, a_reading())
    assert ingest.lane(Lane.TELEMETRY).high_water == BURST
    assert ingest.pipelines["rest"].postponed == 1
    ingest.send(Lane.TELEMETRY, 1, a_reading(device="nobody"), node="pi-2")
    assert ingest.lane(Lane.TELEMETRY, node="pi-2").quarantined == 1


@pytest.mark.parametrize("record", [a_reading(device="nobody"), 0])
def test_of_one_message_so_many_records_are_quarantined_and_the_rest_comes_again(
    ingest: IngestHarness, record: Any
) -> None:
    bad = [record] * (MOST_UNUSABLE + 50)
    ingest.send(Lane.TELEMETRY, 1, *bad, a_reading(fill_percent=10))
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == MOST_UNUSABLE
    ingest.now_ms += 60_000
    ingest.send(Lane.TELEMETRY, MOST_UNUSABLE + 1, *bad[MOST_UNUSABLE:], a_reading(fill_percent=10))
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == MOST_UNUSABLE + 51
    assert fill_levels(ingest) == [10]


def test_a_call_behind_many_unusable_records_of_its_message_is_heard_at_once(ingest: IngestHarness) -> None:
    none: Any = 0
    ingest.send(Lane.SOS, 1, *[none] * (MOST_UNUSABLE + 50), a_press("band-1:9"))
    heard = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard) and event.ref == "band-1:9"]
    assert len(heard) == 1
    assert ingest.lane(Lane.SOS).high_water == MOST_UNUSABLE
    ingest.send(Lane.SOS, MOST_UNUSABLE + 1, *[none] * 50, a_press("band-1:9"))
    assert ingest.lane(Lane.SOS).high_water == MOST_UNUSABLE + 51
    assert len([event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]) == MOST_UNUSABLE + 51
