"""Sweeps: deadlines are rows, looked at each second; nothing sleeps until one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

import structlog

from hub.alerts import service as alerts
from hub.alerts.ports import AlertRepository
from hub.clock import ClockStep, MessageClock
from hub.errors import StorageError
from hub.ingest import ports
from hub.ingest.renewal import Renewal
from hub.ingest.supervision import Supervisor
from hub.notification import service as notification
from hub.notification.ports import NotificationRepository
from hub.pulse import Pulse
from hub.workorders import service as work_orders
from hub.workorders.ports import OrderRepository, RuleParametersPort

CLOSE_MS: Final = 1_000
"""Two clocks that were read within this are comparable."""
STRAGGLERS_MS: Final = 60_000
"""What was received before the clock was set is handled by then."""

log = structlog.get_logger("hub.jobs")


class Unit(ports.Unit, Protocol):
    """The transaction, as far as sweeps need it."""

    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def work_orders(self) -> OrderRepository: ...
    @property
    def rule_parameters(self) -> RuleParametersPort: ...


class Transactions(ports.Transactions, Protocol):
    """Opens the transactions of sweeps."""

    def background(self, *, at_ms: int | None = None) -> AbstractContextManager[Unit]:
        """Open a transaction that lets people and life-safety go first; its reactions happen at `at_ms`."""
        ...

    def read(self) -> AbstractContextManager[Unit]:
        """Open a read-only view."""
        ...


class Sweeps:
    """Runs what came due: rules, supervision of nodes and devices, alerts and work orders."""

    def __init__(
        self,
        transactions: Transactions,
        supervisor: Supervisor,
        renewal: Renewal,
        *,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        """Wire it; by `steady_ms`, a clock that only runs on, it sees when the hub's own is set."""
        self._transactions = transactions
        self._renewal = renewal
        self._supervisor = supervisor
        self._now_ms = now_ms
        self._steady_ms = steady_ms
        self._step = ClockStep()
        self._was_set = False
        self._looks_ahead_ms: list[int] = [0]
        """When, by the steady clock, to look for times that lie ahead of now: at the start, and after a step."""
        self.pulse = Pulse()

    def run(self) -> None:
        """Do everything that is due now, by the rules of now."""
        try:
            self._renewal.renew()
            if self._steady_ms is None:
                at_ms = self._now_ms()
            else:
                at_ms, steady_ms = _together(self._now_ms, self._steady_ms)
                self._mind_clock(at_ms, steady_ms)
            self._run_at(at_ms)
        except StorageError:
            self.pulse.step()  # a store that is away is told by its own part of readiness: to be restarted is no help
            raise
        self.pulse.step()  # its age is that of the last sweep that came to its end

    def advance(self, clock: MessageClock, to_ms: int) -> None:
        """Move simulated time to `to_ms`; every deadline on the way is met at its own time."""
        if clock.now_ms() > 0:
            while (due_ms := self._earliest_ms()) is not None and due_ms <= to_ms:
                before_ms = clock.now_ms()
                clock.advance(due_ms)
                self._run_at(clock.now_ms(), unheard_until_ms=to_ms + 1)
                if due_ms <= before_ms and self._earliest_ms() == due_ms:
                    break  # nothing moved it: the next message will
        clock.advance(to_ms)

    def _mind_clock(self, at_ms: int, steady_ms: int) -> None:
        """Where the clock was set: count silence from now on, and let nothing wait for a time that was never near."""
        step_ms = self._step.look(wall_ms=at_ms, steady_ms=steady_ms)
        if step_ms:
            log.warning("clock.stepped", seconds=round(step_ms / 1_000, 1))
            self._was_set = True
            self._supervisor.listen_anew(at_ms)
            self._looks_ahead_ms = [steady_ms, steady_ms + STRAGGLERS_MS]
        if self._looks_ahead_ms and self._looks_ahead_ms[0] <= steady_ms:
            with self._transactions.background(at_ms=at_ms) as unit:
                self._supervisor.set_back(unit, at_ms, everywhere=self._was_set)
                notification.set_back(unit.notifications, at_ms=at_ms)
            self._looks_ahead_ms.pop(0)  # only now: a store that is away is asked again

    def _run_at(self, at_ms: int, *, unheard_until_ms: int | None = None) -> None:
        while self._supervisor.sweep(self._transactions, at_ms, unheard_until_ms=unheard_until_ms):
            pass
        with self._transactions.read() as unit:
            orders_due = unit.work_orders.any_due(at_ms)
            alerts_due = unit.alerts.any_due(at_ms)
        if not (orders_due or alerts_due):
            return
        with self._transactions.background(at_ms=at_ms) as unit:
            unit.emit(*alerts.due(unit.alerts, at_ms=at_ms))
            unit.emit(*work_orders.due(unit.work_orders, parameters=unit.rule_parameters, at_ms=at_ms))

    def _earliest_ms(self) -> int | None:
        with self._transactions.read() as unit:
            return unit.states.earliest_wake_ms()


def _together(now_ms: Callable[[], int], steady_ms: Callable[[], int]) -> tuple[int, int]:
    """Return both clocks at one instant: a process that was frozen between two readings has seen no clock set."""
    while True:
        before_ms, at_ms = steady_ms(), now_ms()
        if steady_ms() - before_ms <= CLOSE_MS:
            return at_ms, before_ms
