"""The dispatcher: sends the rows of the notification outbox; SOS has threads of its own and waits behind nothing.

Each lane has one named thread that leases what is due, and a pool that sends it; what goes to one place goes there one
after the other, so that a slow receiver keeps only itself waiting. A commit wakes it, and its timer for the retries.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from hub.alerts import service as alerts
from hub.alerts.ports import AlertRepository, PressRepository
from hub.events import AlertChanged, Event, WorkOrderChanged
from hub.notification import outbox
from hub.notification import service as notification
from hub.notification.outbox import Channel, Delivery, Notification, NotificationState, Outcome
from hub.notification.ports import NotificationRepository, Sender, WebhookRepository
from hub.notification.webhook import Webhook
from hub.workorders.ports import OrderRepository

LIFE_SAFETY_SENDERS: Final = 16
"""Places that SOS messages can go to at the same time."""
OTHER_SENDERS: Final = 8
"""Places that all other messages can go to at the same time."""
LONGEST_WAIT_S: Final = 1.0
"""The timer looks at least so often, for another hub's rows and for simulated time."""
_BATCH: Final = 200

log = structlog.get_logger("hub.notification")


class DispatchUnit(Protocol):
    """The transaction, as far as sending needs it."""

    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def presses(self) -> PressRepository: ...
    @property
    def work_orders(self) -> OrderRepository: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def webhooks(self) -> WebhookRepository: ...
    def emit(self, *events: Event) -> None: ...


Read = Callable[[], AbstractContextManager[DispatchUnit]]
Begin = Callable[[bool], AbstractContextManager[DispatchUnit]]
"""(life_safety) → a transaction, before all others where it is about life."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt, for metrics; `delay_ms` runs from the event to its arrival, or to this failure."""

    row: Notification
    delivery: Delivery
    delay_ms: int


class Dispatcher:
    """Two lanes of sending; `start` and `stop` are idempotent."""

    def __init__(
        self,
        *,
        read: Read,
        begin: Begin,
        senders: Mapping[Channel, Sender],
        now_ms: Callable[[], int],
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        """Wire it; nothing runs yet."""
        self._lanes = tuple(
            _Lane(
                life_safety=life_safety,
                workers=workers,
                read=read,
                begin=begin,
                senders=senders,
                now_ms=now_ms,
                on_attempt=on_attempt,
            )
            for life_safety, workers in ((True, LIFE_SAFETY_SENDERS), (False, OTHER_SENDERS))
        )

    def hear(self, events: tuple[Event, ...]) -> None:
        """Look at the outbox when something was committed that people may be told of."""
        if any(isinstance(event, AlertChanged | WorkOrderChanged) for event in events):
            self.wake()

    def wake(self) -> None:
        """Look at the outbox now."""
        for lane in self._lanes:
            lane.wake()

    def start(self) -> None:
        """Begin to send."""
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Finish the attempts under way and send no more."""
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.join()


class _Lane:
    """One thread that leases, and a pool that sends."""

    def __init__(
        self,
        *,
        life_safety: bool,
        workers: int,
        read: Read,
        begin: Begin,
        senders: Mapping[Channel, Sender],
        now_ms: Callable[[], int],
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self._life_safety = life_safety
        self._workers = workers
        self._read = read
        self._begin = begin
        self._senders = senders
        self._now_ms = now_ms
        self._on_attempt = on_attempt
        self._name = "notify-life-safety" if life_safety else "notify-rest"
        self._condition = threading.Condition()
        self._woken = False
        self._ending = False
        self._busy: set[str] = set()
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        if self._thread is not None:
            return
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix=self._name)
        self._thread = threading.Thread(target=self._run, args=(self._pool,), name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def end(self) -> None:
        with self._condition:
            self._ending = self._thread is not None
            self._condition.notify()

    def join(self) -> None:
        if self._thread is None or self._pool is None:
            return
        self._thread.join()
        self._pool.shutdown(wait=True)
        self._thread, self._pool, self._ending = None, None, False

    def _run(self, pool: ThreadPoolExecutor) -> None:
        while True:
            try:
                wait_s = self._turn(pool)
            except Exception as error:  # a store that is away for a while must not end the sending of SOS
                log.exception("notification.turn_failed", lane=self._name, reason=str(error))
                wait_s = LONGEST_WAIT_S
            with self._condition:
                if not self._woken and not self._ending:
                    self._condition.wait(wait_s)
                self._woken = False
                if self._ending:
                    return

    def _turn(self, pool: ThreadPoolExecutor) -> float:
        """Lease what is due and can be sent now; return how long to wait for more, in seconds."""
        at_ms = self._now_ms()
        with self._condition:
            busy = frozenset(self._busy)
        free = self._workers - len(busy)
        with self._read() as unit:
            found = unit.notifications.due(life_safety=self._life_safety, at_ms=at_ms, busy=busy, limit=_BATCH)
            next_ms = None if found else unit.notifications.next_due_ms(life_safety=self._life_safety)
        first_of_each_place = {row.place: row for row in reversed(found)}
        chosen = sorted(first_of_each_place.values(), key=lambda row: (row.created_at_ms, row.id))[:free]
        for row, webhook in self._lease(chosen, at_ms) if chosen else ():
            with self._condition:
                self._busy.add(row.place)
            pool.submit(self._send, row, webhook)
        if chosen:
            return 0 if free > len(chosen) else LONGEST_WAIT_S
        if next_ms is None or next_ms <= at_ms:  # what is due goes to places that are busy: their end wakes this thread
            return LONGEST_WAIT_S
        return min((next_ms - at_ms) / 1_000, LONGEST_WAIT_S)

    def _lease(self, rows: list[Notification], at_ms: int) -> list[tuple[Notification, Webhook | None]]:
        leased: list[tuple[Notification, Webhook | None]] = []
        with self._begin(self._life_safety) as unit:
            for row in rows:
                webhook = unit.webhooks.get(row.target) if row.channel is Channel.WEBHOOK else None
                if row.channel is Channel.WEBHOOK and (webhook is None or webhook.disabled_at_ms is not None):
                    unit.notifications.save(outbox.cancel(row), was=row.state, attempts=row.attempts)
                elif (held := notification.lease(unit.notifications, row, at_ms=at_ms)) is not None:
                    leased.append((held, webhook))
        return leased

    def _send(self, row: Notification, webhook: Webhook | None) -> None:
        try:
            if self._still_held(row):
                self._settle(row, self._senders[row.channel].send(row, webhook))
        except Exception as error:  # the lease runs out and the row is sent again under the same id
            log.exception("notification.attempt_failed", notification=row.id, reason=str(error))
        finally:
            with self._condition:
                self._busy.discard(row.place)
                self._woken = True
                self._condition.notify()

    def _still_held(self, row: Notification) -> bool:
        """Look once more: somebody may have acknowledged since the row was leased."""
        with self._read() as unit:
            stored = unit.notifications.get(row.id)
        return stored is not None and stored.state is NotificationState.LEASED and stored.attempts == row.attempts

    def _settle(self, row: Notification, delivery: Delivery) -> None:
        at_ms = self._now_ms()
        with self._begin(self._life_safety) as unit:
            settled = notification.settle(
                unit.notifications,
                unit.webhooks,
                row,
                delivery,
                wanted=wanted(unit, row),
                at_ms=at_ms,
            )
            if delivery.outcome is Outcome.SENT and row.life_safety and row.alert is not None:
                unit.emit(*alerts.mark_notified(unit.alerts, unit.presses, row.alert, at_ms=at_ms))
        if settled is not None and settled.state is NotificationState.FAILED:
            log.error("notification.failed", notification=row.id, channel=row.channel.value, reason=settled.error)
        self._on_attempt(Attempt(settled or row, delivery, max(at_ms - row.created_at_ms, 0)))


def wanted(unit: DispatchUnit, row: Notification) -> bool:
    """Tell whether what the row is about is still open: then an SOS is tried for ever."""
    if row.alert is not None:
        alert = unit.alerts.get(row.alert)
        return alert is not None and alert.closed_at_ms is None
    order = None if row.work_order is None else unit.work_orders.get(row.work_order)
    return order is not None and not order.over
