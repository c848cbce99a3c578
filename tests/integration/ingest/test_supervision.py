"""Silence: of nodes, of devices, of the hub itself; deadlines are rows that survive a restart."""

import pytest

from hub.alerts.alert import Alert
from hub.alerts.ports import AlertQuery
from hub.clock import MessageClock
from hub.errors import StorageError
from hub.ingest.renewal import Renewal
from hub.jobs.sweeps import Sweeps
from hub.vocabulary import FaultCode
from protocols.lanes import Lane
from protocols.presence import PresenceState
from protocols.topics import Channel
from tests.integration.ingest.conftest import BOOT, START_MS, IngestHarness, a_press, a_reading

NODE_OFFLINE_MS = 90_000


def open_alerts(ingest: IngestHarness) -> dict[str, Alert]:
    with ingest.transactions.read() as unit:
        found = unit.alerts.find(AlertQuery())
    return {alert.fault_code.value: alert for alert in found if alert.state.value != "closed"}


def sweep(ingest: IngestHarness) -> None:
    while ingest.supervisor.sweep(ingest.transactions, ingest.now_ms):
        pass


def listen(ingest: IngestHarness) -> None:
    for consumer in ("sos", "rest"):
        ingest.supervisor.listening(consumer, ingest.now_ms)


def test_a_silent_node_raises_once_and_clears_when_it_speaks(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.EVENT, 1)
    ingest.now_ms += NODE_OFFLINE_MS - 1
    sweep(ingest)
    assert open_alerts(ingest) == {}
    ingest.now_ms += 2
    sweep(ingest)
    sweep(ingest)
    assert list(open_alerts(ingest)) == ["nodeOffline"]
    ingest.hello(Lane.EVENT, 1)
    assert open_alerts(ingest)["nodeOffline"].state.value == "resolved"


def test_silence_never_counts_while_the_hub_hears_nobody(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.EVENT, 1)
    ingest.supervisor.listening("rest", None)
    ingest.now_ms += 10 * NODE_OFFLINE_MS
    sweep(ingest)
    listen(ingest)
    sweep(ingest)
    assert open_alerts(ingest) == {}
    ingest.now_ms += NODE_OFFLINE_MS + 1
    sweep(ingest)
    assert list(open_alerts(ingest)) == ["nodeOffline"]


def test_a_node_that_died_while_the_hub_was_down_is_found_after_the_start(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.EVENT, 1)
    ingest.now_ms += 10 * NODE_OFFLINE_MS
    ingest.start()
    listen(ingest)
    sweep(ingest)
    assert open_alerts(ingest) == {}
    ingest.now_ms += NODE_OFFLINE_MS + 1
    sweep(ingest)
    assert list(open_alerts(ingest)) == ["nodeOffline"]


def test_a_node_that_announced_its_sleep_is_not_missed_before_its_end(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.EVENT, 1)
    until = "2026-11-18T15:06:40.000Z"
    sleeping = f'{{"state": "{PresenceState.SLEEPING}", "boot": "{BOOT}", "version": "1", "until": "{until}"}}'
    ingest.deliver(Channel.STATUS, sleeping.encode())
    ingest.now_ms += 2 * NODE_OFFLINE_MS
    sweep(ingest)
    assert open_alerts(ingest) == {}


def test_a_dead_node_of_several_devices_is_one_message(ingest: IngestHarness) -> None:
    ingest.give_intervals(expected_interval_s=20)
    listen(ingest)
    ingest.send(Lane.TELEMETRY, 1, a_reading())
    for _ in range(200):
        ingest.now_ms += 1_000
        sweep(ingest)
    alerts = open_alerts(ingest)
    assert set(alerts) == {"nodeOffline", "communicationFailure"}
    assert alerts["communicationFailure"].suppressed_by == alerts["nodeOffline"].id
    with ingest.transactions.read() as unit:
        told = {
            row.alert
            for row in unit.notifications.due(life_safety=False, at_ms=ingest.now_ms, busy=frozenset(), limit=100)
        }
    assert alerts["nodeOffline"].id in told
    assert alerts["communicationFailure"].id not in told


def test_a_silent_device_of_a_living_node_is_told_by_itself(ingest: IngestHarness) -> None:
    ingest.give_intervals(expected_interval_s=20)
    listen(ingest)
    ingest.send(Lane.TELEMETRY, 1, a_reading())
    for _ in range(10):
        ingest.now_ms += 20_000
        ingest.hello(Lane.EVENT, 1)
        sweep(ingest)
    alerts = open_alerts(ingest)
    assert set(alerts) == {"communicationFailure"}
    assert alerts["communicationFailure"].suppressed_by is None


def test_simulated_time_meets_every_deadline_at_its_own_time(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.EVENT, 1)
    clock = MessageClock(START_MS)
    renewal = Renewal(ingest.registry, ingest.transactions, now_ms=clock.now_ms)
    Sweeps(ingest.transactions, ingest.supervisor, renewal, now_ms=clock.now_ms).advance(clock, START_MS + 86_400_000)
    assert clock.now_ms() == START_MS + 86_400_000
    assert open_alerts(ingest)["nodeOffline"].fired_at_ms == START_MS + NODE_OFFLINE_MS


def test_a_batch_that_was_judged_while_somebody_else_moved_its_facility_is_judged_again(ingest: IngestHarness) -> None:
    ingest.give_intervals(expected_interval_s=60)
    vitals = a_reading("band-1", kind="vitals", values={"heart_rate_bpm": 70})
    ingest.send(Lane.TELEMETRY, 1, vitals)

    def press() -> None:
        ingest.now_ms += 5_000
        ingest.send(Lane.SOS, 1, a_press())

    ingest.gate.first = press
    ingest.send(Lane.TELEMETRY, 2, vitals)
    with ingest.transactions.read() as unit:
        states = unit.states.load_facilities(["demo.band-1"])
    assert states["demo.band-1"].contacts["band-1"].heard_ms == START_MS + 5_000
    assert ingest.lane(Lane.TELEMETRY).high_water == 2


def test_a_batch_that_was_judged_by_rules_that_a_person_changed_meanwhile_is_judged_again(
    ingest: IngestHarness,
) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=60.0))

    def lower_the_threshold() -> None:
        ingest.set_rule(FaultCode.BIN_FULL, enter_percent=50.0, leave_percent=40.0, confirm_readings=1, hold_s=0.0)
        ingest.hello(Lane.SOS, 1)  # the other consumer learns of it first, and wakes what it concerns

    ingest.gate.first = lower_the_threshold
    ingest.send(Lane.TELEMETRY, 2, a_reading(fill_percent=61.0))
    sweep(ingest)
    assert list(open_alerts(ingest)) == ["binFull"]


def test_what_was_judged_for_a_transaction_that_failed_is_judged_anew(ingest: IngestHarness) -> None:
    for seq in range(1, 4):
        ingest.send(Lane.TELEMETRY, seq, a_reading(fill_percent=10.0 * seq))

    def fail() -> None:
        raise StorageError("the disk is full")

    ingest.gate.first = fail
    with pytest.raises(StorageError):
        ingest.send(Lane.TELEMETRY, 4, a_reading(fill_percent=70.0))
    ingest.send(Lane.TELEMETRY, 4, a_reading(fill_percent=55.0))
    with ingest.transactions.read() as unit:
        states = unit.states.load_facilities(["demo.bin-1"])
    assert states["demo.bin-1"].bin_full.fill_percent == 55.0


def test_an_sos_lane_that_is_silent_alone_raises_and_its_node_explains_nothing(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.hello(Lane.SOS, 1)
    for seq in range(1, 9):
        ingest.now_ms += 10_000
        sweep(ingest)
        if seq < 8:
            assert open_alerts(ingest) == {}
        ingest.send(Lane.TELEMETRY, seq, a_reading())
    alert = open_alerts(ingest)["nodeOffline"]
    assert alert.reason == "sos_lane_silent"
    with ingest.transactions.read() as unit:
        (state,) = unit.states.load_nodes().values()
    assert (state.offline, state.sos_silent) == (False, True)
    ingest.hello(Lane.SOS, 1)
    assert "nodeOffline" not in open_alerts(ingest) or open_alerts(ingest)["nodeOffline"].state.value == "resolved"


def test_an_sos_record_is_heard_in_its_lane_as_a_hello_is(ingest: IngestHarness) -> None:
    listen(ingest)
    ingest.send(Lane.SOS, 1, a_press())
    ingest.now_ms += 80_000
    sweep(ingest)
    assert open_alerts(ingest)["nodeOffline"].reason == "sos_lane_silent"
