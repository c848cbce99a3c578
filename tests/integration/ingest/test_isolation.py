"""Messages on which the hub's own code fails: what breaks it is held, a call in it heard, and the rest goes its way."""

from collections.abc import Sequence
from typing import Any

import pytest

from hub.events import AlertChanged, Event, LifeSafetyHeard
from hub.ingest.directory import DeviceEntry, Directory
from hub.ingest.pipeline import MOST_BROKEN
from hub.ingest.sources import Incoming
from hub.storage.memory import MemoryTelemetryStore
from hub.telemetry.point import LaneBatch
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress
from tests.integration.ingest.conftest import START_MS, IngestHarness, a_press, a_reading
from tests.integration.ingest.test_pipeline import fill_levels

CURSED = 13.0


class BrittleStore(MemoryTelemetryStore):
    """Fails on one value, as a bug does: each time."""

    def append(self, batches: Sequence[LaneBatch]) -> None:
        if any(CURSED in point.numbers for batch in batches for point in batch.points):
            message = "a bug"
            raise RuntimeError(message)
        super().append(batches)


class BrittleDevices(dict[tuple[str, str], DeviceEntry]):
    """A registry in which looking for one device fails."""

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        if key[1] == "cursed":
            message = "a bug"
            raise RuntimeError(message)
        return super().get(key, default)


class BrittleHub(IngestHarness):
    """A hub that fails on whatever a cursed device sends."""

    def a_directory(self) -> Directory:
        directory = Directory()
        directory.devices = BrittleDevices()
        return directory


@pytest.fixture
def brittle(tmp_path: Any) -> Any:
    hub = BrittleHub(f"sqlite:///{tmp_path}/state.db")
    yield hub
    hub.engine.dispose()


def heard(ingest: IngestHarness) -> list[tuple[str, bool]]:
    return [(event.ref, event.source_unknown) for event in ingest.happened if isinstance(event, LifeSafetyHeard)]


def fails_on(ref: str, *, also_unknown: bool = False) -> Any:
    def breaks(event: Event) -> bool:
        return isinstance(event, LifeSafetyHeard) and event.ref == ref and (also_unknown or not event.source_unknown)

    return breaks


def test_a_call_that_breaks_the_hubs_own_code_calls_all_the_same_and_holds_up_no_other(ingest: IngestHarness) -> None:
    ingest.breaks = fails_on("band-1:2")
    ingest.send(Lane.SOS, 1, *(a_press(f"band-1:{number}") for number in range(1, 5)))
    assert sorted(heard(ingest)) == [("band-1:1", False), ("band-1:2", True), ("band-1:3", False), ("band-1:4", False)]
    fired = [event for event in ingest.happened if isinstance(event, AlertChanged) and event.step == "fired"]
    assert sorted(event.subject.key for event in fired) == ["facility:demo.band-1", "node:demo.pi-1"]
    assert ingest.held() == [("hub_failed", 1)]
    answer = ingest.last_answer(Lane.SOS)
    assert (answer["hw"], sorted(receipt["seq"] for receipt in answer["sos"])) == (4, [1, 2, 3, 4])
    ingest.send(Lane.SOS, 5, a_press("band-1:5"))
    assert ingest.last_answer(Lane.SOS)["hw"] == 5


def test_a_call_that_cannot_even_be_set_aside_calls_as_a_message_that_cannot_be_read(ingest: IngestHarness) -> None:
    ingest.breaks = fails_on("band-1:2", also_unknown=True)
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), a_press("band-1:2"), a_press("band-1:3"))
    known, other, whole = heard(ingest)
    assert (known, other) == (("band-1:1", False), ("band-1:3", False)), "also what lies behind it"
    assert whole[0].startswith("undecodable:")
    assert ingest.last_answer(Lane.SOS)["refused"] == "malformed_json", "so its edge sends one record a message"
    ingest.send(Lane.SOS, 2, a_press("band-1:2"))
    assert ingest.last_answer(Lane.SOS)["refused"] == "malformed_json", "and gives up this one alone"
    ingest.hello(Lane.SOS, 4)
    ingest.send(Lane.SOS, 2, {"gap": {"to": 2, "reason": "refused"}})
    assert ingest.last_answer(Lane.SOS)["hw"] == 3


def test_a_message_that_breaks_once_is_taken_whole_at_the_second_try(ingest: IngestHarness) -> None:
    ingest.fail_next = RuntimeError("a bug")
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), a_press("band-1:2"))
    assert heard(ingest) == [("band-1:1", False), ("band-1:2", False)]
    assert ingest.held() == []
    assert ingest.last_answer(Lane.SOS)["hw"] == 2


def test_a_reading_that_breaks_the_hubs_own_code_is_held_and_the_rest_stored(ingest: IngestHarness) -> None:
    ingest.telemetry = BrittleStore()
    ingest.start()
    ingest.hello(Lane.TELEMETRY, 9)
    gap = {"gap": {"to": 5, "reason": "thinned"}}
    levels = (10, 11, CURSED, 12)
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=9), gap, *(a_reading(fill_percent=each) for each in levels))
    assert fill_levels(ingest) == [9, 10, 11, 12]
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.stored, lane.quarantined, lane.gaps) == (9, 4, 1, 4)
    assert ingest.held() == [("hub_failed", 1)]
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 9


def test_a_message_of_which_too_many_break_is_given_up_and_goes_on_record_by_record(ingest: IngestHarness) -> None:
    ingest.telemetry = BrittleStore()
    ingest.start()
    ingest.hello(Lane.TELEMETRY, 101)
    readings = [a_reading(fill_percent=CURSED if number % 2 else number / 10) for number in range(100)]
    ingest.send(Lane.TELEMETRY, 1, *readings)
    assert ingest.last_answer(Lane.TELEMETRY)["refused"] == "malformed_json"
    taken = ingest.lane(Lane.TELEMETRY).high_water
    assert MOST_BROKEN < taken < 3 * MOST_BROKEN
    for seq in range(taken + 1, 101):
        ingest.send(Lane.TELEMETRY, seq, readings[seq - 1])
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.stored, lane.quarantined) == (100, 50, 50)


def test_a_batch_that_is_taken_message_by_message_moves_all_the_time(ingest: IngestHarness) -> None:
    pipeline = ingest.pipelines["rest"]
    steps: list[float] = []
    pipeline.pulse.step = lambda: steps.append(0.0)  # pyright: ignore[reportAttributeAccessIssue] counted from outside
    ingest.fail_next = RuntimeError("a bug")
    topic = NodeAddress("demo", "pi-1").topic(Channel.EVENT)
    payloads = [ingest.a_message(number, a_press(f"t:{number}", event="tamper")) for number in (1, 2, 3)]
    pipeline.process([Incoming(topic, payload, ingest.now_ms) for payload in payloads])
    assert ingest.lane(Lane.EVENT).high_water == 3
    assert len(steps) == 3


def test_an_event_that_breaks_the_hubs_own_code_is_held_and_the_rest_stored(brittle: BrittleHub) -> None:
    tampers = [a_press(f"t:{number}", event="tamper") for number in range(3)]
    tampers[1]["device"] = "cursed"
    brittle.send(Lane.EVENT, 1, *tampers)
    lane = brittle.lane(Lane.EVENT)
    assert (lane.high_water, lane.stored, lane.quarantined) == (3, 2, 1)
    assert heard(brittle) == []


@pytest.mark.parametrize("lane", [Lane.EVENT, Lane.TELEMETRY])
def test_a_call_in_another_lane_that_breaks_the_hubs_own_code_calls_all_the_same(
    brittle: BrittleHub, lane: Lane
) -> None:
    brittle.send(lane, 1, a_press("1", device="cursed"), a_press("2"))
    assert sorted(heard(brittle)) == [("1", True), ("2", False)]
    assert brittle.lane(lane).high_water == 2


def test_others_of_the_batch_are_taken_though_one_message_cannot_even_be_held(ingest: IngestHarness) -> None:
    ingest.breaks = lambda event: isinstance(event, LifeSafetyHeard) and event.node == "pi-1"
    topics = [NodeAddress("demo", node).topic(Channel.SOS) for node in ("pi-1", "pi-2")]
    payload = ingest.a_message(1, a_press("band-1:1"))
    ingest.pipelines["sos"].process([Incoming(topic, payload, ingest.now_ms) for topic in topics])
    assert [where for where, _ in ingest.answers if "/pi-1/" in where] == [], "nobody heard it, and nobody is told so"
    assert ingest.held() == [("foreign_device", 1)]


def test_a_hello_that_breaks_the_hubs_own_code_calls_nobody(brittle: BrittleHub) -> None:
    brittle.fail_next = RuntimeError("a bug")
    brittle.deliver(Channel.hello(Lane.SOS), b"no hello")
    assert heard(brittle) == []
    assert brittle.now_ms == START_MS
