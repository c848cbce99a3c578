"""The machine's clock is set while the hub runs: nobody is missed for it, nobody is told an hour late."""

from collections.abc import Callable
from typing import Final

import pytest
from structlog.testing import capture_logs

from hub.alerts.ports import AlertQuery
from hub.errors import StorageError
from hub.ingest.renewal import Renewal
from hub.jobs.sweeps import STRAGGLERS_MS, Sweeps
from hub.notification import service as notification
from hub.notification.outbox import LEASE_S, LIFE_SAFETY_REPEAT_S, Delivery, Notification, Outcome
from hub.notification.receipts import NotificationQuery
from protocols.lanes import Lane
from tests.integration.ingest.conftest import IngestHarness, a_press, a_reading

HOUR_MS: Final = 3_600_000
NODE_OFFLINE_MS: Final = 90_000
ATTEMPTS: Final = 6
"""Then an SOS waits its longest."""


class Timeline:
    """A hub that listens and sweeps each second, on a clock that can be set."""

    def __init__(self, ingest: IngestHarness) -> None:
        self.ingest = ingest
        self._steady_ms = 7_000_000
        renewal = Renewal(ingest.registry, ingest.transactions, now_ms=lambda: ingest.now_ms)
        renewal.renew()
        self._sweeps = Sweeps(
            ingest.transactions,
            ingest.supervisor,
            renewal,
            now_ms=lambda: ingest.now_ms,
            steady_ms=lambda: self._steady_ms,
        )
        for consumer in ("sos", "rest"):
            ingest.supervisor.listening(consumer, ingest.now_ms)
        self._sweeps.run()

    def seconds(self, count: int, *, until: Callable[[], bool] = lambda: False, hello: bool = False) -> int:
        """Let time pass, with a hello every 20 s; return how many seconds it took until it was so."""
        for second in range(1, count + 1):
            self.ingest.now_ms += 1_000
            self._steady_ms += 1_000
            if hello and second % 20 == 0:
                self.ingest.hello(Lane.EVENT, 1)
            self._sweeps.run()
            if until():
                return second
        return count

    def set_clock(self, by_ms: int) -> None:
        self.ingest.now_ms += by_ms

    def open_alerts(self) -> set[str]:
        with self.ingest.transactions.read() as unit:
            found = unit.alerts.find(AlertQuery())
        return {alert.fault_code.value for alert in found if alert.active}

    def is_open(self, code: str) -> Callable[[], bool]:
        return lambda: code in self.open_alerts()

    def calls(self) -> list[Notification]:
        with self.ingest.transactions.read() as unit:
            return [row for row in unit.notifications.find(NotificationQuery()) if row.life_safety]

    def due(self) -> set[str]:
        with self.ingest.transactions.read() as unit:
            found = unit.notifications.due(life_safety=True, at_ms=self.ingest.now_ms, busy=(), limit=100)
        return {row.id for row in found}

    def attempt(self, row: Notification, *, fails: bool) -> None:
        """Lease a row; it fails, or its sender dies."""
        with self.ingest.transactions.begin() as unit:
            stored = unit.notifications.get(row.id)
            assert stored is not None
            leased = notification.lease(unit.notifications, stored, at_ms=self.ingest.now_ms)
            assert leased is not None
            if fails:
                delivery = Delivery(Outcome.RETRY, "HTTP 503")
                notification.settle(
                    unit.notifications, unit.webhooks, leased, delivery, wanted=True, at_ms=self.ingest.now_ms
                )


@pytest.fixture
def hub(ingest: IngestHarness) -> Timeline:
    ingest.give_intervals(expected_interval_s=20)
    return Timeline(ingest)


@pytest.fixture(params=[HOUR_MS, -HOUR_MS], ids=["forwards", "backwards"])
def step_ms(request: pytest.FixtureRequest) -> int:
    return request.param


def test_nobody_who_speaks_is_missed(hub: Timeline, step_ms: int) -> None:
    hub.ingest.send(Lane.TELEMETRY, 1, a_reading())
    hub.seconds(30, hello=True)
    hub.set_clock(step_ms)
    hub.seconds(1)
    assert hub.open_alerts() == set()
    hub.ingest.send(Lane.TELEMETRY, 2, a_reading())
    hub.seconds(59, hello=True)
    assert hub.open_alerts() == set()


def test_a_node_that_falls_silent_is_told_in_time(hub: Timeline, step_ms: int) -> None:
    hub.ingest.hello(Lane.EVENT, 1)
    hub.seconds(5)
    hub.set_clock(step_ms)
    assert hub.seconds(200, until=hub.is_open("nodeOffline")) <= NODE_OFFLINE_MS // 1_000 + 1


def test_a_device_that_falls_silent_is_told_in_time(hub: Timeline, step_ms: int) -> None:
    hub.ingest.send(Lane.TELEMETRY, 1, a_reading())
    hub.seconds(5, hello=True)
    hub.set_clock(step_ms)
    assert hub.seconds(200, until=hub.is_open("communicationFailure"), hello=True) <= 3 * 20 + 20 + 2


def test_a_device_whose_old_time_a_batch_writes_once_more_is_told_in_time(hub: Timeline) -> None:
    hub.ingest.send(Lane.TELEMETRY, 1, a_reading())
    hub.seconds(5, hello=True)
    with hub.ingest.transactions.read() as unit:
        waiting = unit.states.load_facilities(["demo.bin-1"])
    hub.set_clock(-HOUR_MS)
    hub.seconds(1)
    with hub.ingest.transactions.begin() as unit:
        unit.states.save_facilities(waiting)
    within_s = STRAGGLERS_MS // 1_000 + 3 * 20 + 20 + 2
    assert hub.seconds(300, until=hub.is_open("communicationFailure"), hello=True) <= within_s


def test_a_device_that_was_silent_and_comes_back_is_told_in_time_when_it_falls_silent_again(
    hub: Timeline, step_ms: int
) -> None:
    hub.ingest.send(Lane.TELEMETRY, 1, a_reading())
    assert hub.seconds(200, until=hub.is_open("communicationFailure"), hello=True) < 200
    hub.set_clock(step_ms)
    hub.seconds(30, hello=True)
    assert hub.open_alerts() == {"communicationFailure"}
    hub.ingest.send(Lane.TELEMETRY, 2, a_reading())
    assert hub.open_alerts() == set()
    assert hub.seconds(200, until=hub.is_open("communicationFailure"), hello=True) <= 3 * 20 + 20 + 2


def test_a_node_that_is_silent_stays_so_and_comes_back(hub: Timeline, step_ms: int) -> None:
    hub.ingest.hello(Lane.EVENT, 1)
    assert hub.seconds(200, until=hub.is_open("nodeOffline")) < 200
    hub.set_clock(step_ms)
    hub.seconds(30)
    assert hub.open_alerts() == {"nodeOffline"}
    hub.ingest.hello(Lane.EVENT, 1)
    assert hub.open_alerts() == set()
    assert hub.seconds(200, until=hub.is_open("nodeOffline")) <= NODE_OFFLINE_MS // 1_000 + 1


def test_a_node_whose_message_was_received_before_the_step_and_handled_after_it_is_told(hub: Timeline) -> None:
    hub.ingest.hello(Lane.EVENT, 1)
    hub.set_clock(-HOUR_MS)
    hub.seconds(1)
    hub.set_clock(HOUR_MS)
    hub.ingest.hello(Lane.EVENT, 1)
    hub.set_clock(-HOUR_MS)
    wanted_s = (STRAGGLERS_MS + NODE_OFFLINE_MS) // 1_000 + 1
    assert hub.seconds(400, until=hub.is_open("nodeOffline")) <= wanted_s


def test_a_call_for_help_waits_no_longer_than_it_ever_does(hub: Timeline, step_ms: int) -> None:
    hub.ingest.send(Lane.SOS, 1, a_press())
    waiting, dying = hub.calls()[:2]
    for _ in range(ATTEMPTS):
        hub.attempt(waiting, fails=True)
        hub.seconds(LIFE_SAFETY_REPEAT_S)
    hub.attempt(waiting, fails=True)
    hub.attempt(dying, fails=False)
    hub.set_clock(step_ms)
    for row, longest_s in ((waiting, LIFE_SAFETY_REPEAT_S), (dying, LEASE_S)):
        took_s = hub.seconds(200, until=lambda row=row: row.id in hub.due())
        assert took_s <= longest_s + 1


def test_a_hub_that_starts_behind_its_own_past_has_nothing_wait_for_it(hub: Timeline) -> None:
    hub.ingest.hello(Lane.EVENT, 1)
    hub.ingest.send(Lane.SOS, 1, a_press())
    waiting = hub.calls()[0]
    hub.attempt(waiting, fails=True)
    hub.set_clock(-HOUR_MS)
    hub.ingest.start()
    again = Timeline(hub.ingest)
    assert again.seconds(200, until=lambda: waiting.id in again.due()) <= 2
    assert again.seconds(200, until=again.is_open("nodeOffline")) <= NODE_OFFLINE_MS // 1_000 + 1


def test_a_step_that_the_store_cannot_take_yet_is_not_forgotten(hub: Timeline) -> None:
    hub.ingest.hello(Lane.EVENT, 1)
    hub.set_clock(-HOUR_MS)

    def away() -> None:
        raise StorageError("the state database is away")

    hub.ingest.gate.first = away
    with pytest.raises(StorageError):
        hub.seconds(1)
    assert hub.seconds(200, until=hub.is_open("nodeOffline")) <= NODE_OFFLINE_MS // 1_000 + 1


def test_a_step_is_told_with_its_seconds(hub: Timeline) -> None:
    with capture_logs() as logs:
        hub.set_clock(-HOUR_MS)
        hub.seconds(3)
    told = [(entry["log_level"], entry["seconds"]) for entry in logs if entry["event"] == "clock.stepped"]
    assert told == [("warning", -3_600.0)]
