"""The dispatcher: sends the rows of the notification outbox; SOS has threads of its own and waits behind nothing.

Each lane has one named thread that leases what is due, and a pool that sends it; what goes to one place goes there one
after the other, so that a slow receiver keeps only itself waiting, and places that fail come last and take half of the
pool at most: however many they are, what is new goes to the others at once. What waits for a person's channel goes
there as one message, once its pace allows one. A commit that people are told of wakes the lane, and its timer for the
retries.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from hub.alerts import service as alerts
from hub.alerts.ports import AlertRepository, PressRepository
from hub.events import AlertChanged, Event, ProbeHeard, SosReceiptChanged, WorkOrderChanged
from hub.fault_points import FaultPoint, passed
from hub.notification import outbox
from hub.notification import service as notification
from hub.notification.messages import ALERT_ATTENTION, ALERT_NEWS, ORDER_ATTENTION, ORDER_NEWS, TEST
from hub.notification.outbox import Channel, Delivery, Notification, NotificationState
from hub.notification.pace import LONGEST_AHEAD_MS, Wait
from hub.notification.person_channel import PersonChannel
from hub.notification.ports import NotificationRepository, PersonChannelRepository, Sender, Target, WebhookRepository
from hub.notification.probe import PROBE
from hub.pulse import Pulse
from hub.vocabulary import FAULTS
from hub.workorders.ports import OrderRepository

LIFE_SAFETY_SENDERS: Final = 32
"""Places that SOS messages can go to at the same time."""
OTHER_SENDERS: Final = 8
"""Places that all other messages can go to at the same time."""
LONGEST_WAIT_S: Final = 1.0
"""The timer looks at least so often, for another hub's rows and for simulated time."""
CONSOLE_RUN: Final = 50
"""Messages the console takes in one go; a webhook takes one, for a lease has to outlast the sending.

A person's channel takes all that is due, as one message.
"""
_BATCH: Final = 200
_CLASSES_OF_LIFE: Final = frozenset(fault.fault_class for fault in FAULTS.values() if fault.life_safety)

_WITHOUT_TARGET: Final = frozenset({Channel.CONSOLE, Channel.SINK})
_LONGEST_RUN: Final = {Channel.CONSOLE: CONSOLE_RUN, Channel.WEBHOOK: 1, Channel.APPRISE: _BATCH, Channel.SINK: _BATCH}

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
    @property
    def person_channels(self) -> PersonChannelRepository: ...
    def emit(self, *events: Event) -> None: ...


Read = Callable[[], AbstractContextManager[DispatchUnit]]
Begin = Callable[[bool], AbstractContextManager[DispatchUnit]]
"""(life_safety) → a transaction, before all others where it is about life."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Leased rows of one place."""

    rows: Sequence[Notification]
    target: Target | None

    @property
    def place(self) -> str:
        return self.rows[0].place


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt, for metrics; `delay_ms` runs from when it was to leave to its arrival or failure."""

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

    @property
    def pulses(self) -> Mapping[str, Pulse]:
        """Whether each lane moves."""
        return {lane.name: lane.pulse for lane in self._lanes}

    def hear(self, events: tuple[Event, ...]) -> None:
        """Wake the lanes for which something was committed that people are told of."""
        told = {told_of(event) for event in events}
        for lane in self._lanes:
            if lane.life_safety in told:
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
        self.life_safety = life_safety
        self.pulse = Pulse()
        self._workers = workers
        self._read = read
        self._begin = begin
        self._senders = senders
        self._now_ms = now_ms
        self._on_attempt = on_attempt
        self.name = "notify-life-safety" if life_safety else "notify-rest"
        self._condition = threading.Condition()
        self._woken = False
        self._ending = False
        self._busy: dict[str, bool] = {}
        """The places that something is under way to, and whether they were failing before."""
        self._resting: dict[str, int] = {}
        """The places whose pace allows no message before then."""
        self._passed_over = False
        """A turn has left out what may be due for a busy place: the end of its run has to look again."""
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        if self._thread is not None:
            return
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix=self.name)
        self._thread = threading.Thread(target=self._run, args=(self._pool,), name=self.name, daemon=True)
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
                self.pulse.step()
                wait_s = self._turn(pool)
            except Exception as error:  # a store that is away for a while must not end the sending of SOS
                log.exception("notification.turn_failed", lane=self.name, reason=str(error))
                wait_s = LONGEST_WAIT_S
            with self._condition:
                if not self._woken and not self._ending:
                    self._condition.wait(wait_s)
                self._woken = False
                if self._ending:
                    self.pulse.rest()
                    return

    def _turn(self, pool: ThreadPoolExecutor) -> float:
        """Lease what is due and can be sent now; return how long to wait for more, in seconds."""
        at_ms = self._now_ms()
        self._resting = {
            place: ready_ms for place, ready_ms in self._resting.items() if at_ms < ready_ms <= at_ms + LONGEST_AHEAD_MS
        }  # no pace asks for a longer rest: then the clock was set back
        with self._condition:
            busy = dict(self._busy)
            self._passed_over = bool(busy)
        if len(busy) >= self._workers:
            return LONGEST_WAIT_S
        skip = {*busy, *self._resting}
        with self._read() as unit:
            found = unit.notifications.due(life_safety=self.life_safety, at_ms=at_ms, busy=skip, limit=_BATCH)
            failing = unit.notifications.failing(life_safety=self.life_safety) if found else frozenset[str]()
            next_ms = unit.notifications.next_due_ms(life_safety=self.life_safety, after_ms=at_ms)
        waiting = _runs(found)
        runs = self._startable(waiting, failing, busy)
        if len(runs) < len(waiting) or sum(len(run) for run in runs) < len(found):
            with self._condition:
                self._passed_over = True
        leased = self._lease(runs, at_ms) if runs else []
        if leased:
            passed(FaultPoint.NOTIFICATIONS_LEASED)
        for run in leased:
            with self._condition:
                self._busy[run.place] = run.place in failing
            pool.submit(self._send, run)
        if len(leased) < len(runs) or (runs and len(found) == _BATCH):  # there may be more behind them
            return 0
        waits = [wait for wait in (next_ms, *self._resting.values()) if wait is not None]
        return min(LONGEST_WAIT_S, *((wait - at_ms) / 1_000 for wait in waits)) if waits else LONGEST_WAIT_S

    def _startable(
        self, runs: Sequence[list[Notification]], failing: Collection[str], busy: Mapping[str, bool]
    ) -> list[list[Notification]]:
        """Return the runs that there is a worker for: failing places last, and on half of the workers."""
        healthy = [run for run in runs if run[0].place not in failing]
        again = [run for run in runs if run[0].place in failing]
        spare = max(self._workers // 2 - sum(busy.values()), 0)
        return (healthy + again[:spare])[: self._workers - len(busy)]

    def _lease(self, runs: Sequence[Sequence[Notification]], at_ms: int) -> list[_Run]:
        """Return what this sender holds of the runs; those of a target that is gone end here."""
        with self._begin(self.life_safety) as unit:
            found = [self._leased(unit, run, at_ms) for run in runs]
        return [run for run in found if run is not None]

    def _leased(self, unit: DispatchUnit, rows: Sequence[Notification], at_ms: int) -> _Run | None:
        target = _target(unit, rows[0])
        if target is None and rows[0].channel not in _WITHOUT_TARGET:
            for row in rows:
                unit.notifications.save(outbox.cancel(row), was=row.state, attempts=row.attempts)
            return None
        if isinstance(target, PersonChannel):
            leaving = notification.gather(unit.notifications, unit.person_channels, target, rows, at_ms=at_ms)
            if isinstance(leaving, Wait):
                self._resting[rows[0].place] = leaving.ready_ms
                return None
            rows = leaving
        held = [notification.lease(unit.notifications, row, at_ms=at_ms) for row in rows]
        mine = [row for row in held if row is not None]
        return _Run(mine, target) if mine else None

    def _send(self, run: _Run) -> None:
        """Send a run to its place; whatever goes wrong here, its leases run out and it is sent again."""
        arrived = False
        try:
            rows = self._still_held(run.rows)
            deliveries = self._attempt(rows, run.target) if rows else ()
            passed(FaultPoint.NOTIFICATIONS_SENT)
            arrived = self._settle(list(zip(rows, deliveries, strict=False)))
            passed(FaultPoint.NOTIFICATIONS_SETTLED)
        except Exception as error:
            log.exception("notification.run_failed", place=run.place, reason=str(error))
        finally:
            with self._condition:
                self._busy.pop(run.place, None)
                if self._passed_over or not arrived:
                    self._woken = True
                    self._condition.notify()

    def _still_held(self, rows: Sequence[Notification]) -> list[Notification]:
        """Look once more: somebody may have acknowledged since the rows were leased."""
        with self._read() as unit:
            return [row for row in rows if _is_held(unit.notifications.get(row.id), row)]

    def _attempt(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        try:
            return self._senders[rows[0].channel].send(rows, target)
        except Exception as error:  # the leases run out and the rows are sent again under the same ids
            log.exception("notification.attempt_failed", notification=rows[0].id, reason=str(error))
            return ()

    def _settle(self, deliveries: Sequence[tuple[Notification, Delivery]]) -> bool:
        """Keep what became of the attempts; tell whether all arrived."""
        if not deliveries:
            return True
        at_ms = self._now_ms()
        settled: list[Notification | None] = []
        with self._begin(self.life_safety) as unit:
            for row, delivery in deliveries:
                settled.append(_kept(unit, row, delivery, at_ms))
        for kept, (row, delivery) in zip(settled, deliveries, strict=True):
            if kept is not None and kept.state is NotificationState.FAILED:
                log.error("notification.failed", notification=row.id, channel=row.channel.value, reason=kept.error)
            self._on_attempt(Attempt(kept or row, delivery, max(at_ms - row.wanted_at_ms, 0)))
        return all(delivery.arrived for _, delivery in deliveries)


def told_of(event: Event) -> bool | None:
    """Tell whether what people are told of an event asks for help; None where they are told nothing."""
    if isinstance(event, ProbeHeard):
        return True  # it takes the way of an SOS
    if isinstance(event, AlertChanged):
        attention, news, about_life = ALERT_ATTENTION, ALERT_NEWS, FAULTS[event.fault_code].life_safety
    elif isinstance(event, WorkOrderChanged):
        attention, news, about_life = ORDER_ATTENTION, ORDER_NEWS, event.fault_class in _CLASSES_OF_LIFE
    else:
        return None
    if event.step in attention:
        return about_life
    return False if event.step in news else None


def wanted(unit: DispatchUnit, row: Notification) -> bool:
    """Tell whether what the row is about is still open: then an SOS is tried for ever."""
    if row.alert is not None:
        alert = unit.alerts.get(row.alert)
        return alert is not None and alert.closed_at_ms is None
    order = None if row.work_order is None else unit.work_orders.get(row.work_order)
    return order is not None and not order.over


def _runs(found: Sequence[Notification]) -> list[list[Notification]]:
    """Return the first rows of each place, in the order of the oldest."""
    runs: dict[str, list[Notification]] = {}
    for row in found:
        run = runs.setdefault(row.place, [])
        if len(run) < _LONGEST_RUN[row.channel]:
            run.append(row)
    return list(runs.values())


def _target(unit: DispatchUnit, row: Notification) -> Target | None:
    """Return where the row goes; None for console and sink, and where nothing may go any more."""
    match row.channel:
        case Channel.CONSOLE | Channel.SINK:
            return None
        case Channel.WEBHOOK:
            target = unit.webhooks.get(row.target)
        case Channel.APPRISE:
            target = unit.person_channels.get(row.target)
    return None if target is None or target.disabled_at_ms is not None else target


def _is_held(stored: Notification | None, row: Notification) -> bool:
    return stored is not None and stored.state is NotificationState.LEASED and stored.attempts == row.attempts


def _kept(unit: DispatchUnit, row: Notification, delivery: Delivery, at_ms: int) -> Notification | None:
    arrived = delivery.arrived
    settled = notification.settle(
        unit.notifications, unit.webhooks, row, delivery, wanted=arrived or wanted(unit, row), at_ms=at_ms
    )
    if arrived and row.life_safety and row.alert is not None:
        unit.emit(*alerts.mark_notified(unit.alerts, unit.presses, row.alert, at_ms=at_ms))
    if arrived and row.step == PROBE:
        unit.emit(SosReceiptChanged(row.site, row.target))
    if arrived and row.step == TEST:
        notification.verified(unit.person_channels, row.target, at_ms=at_ms)
    return settled
