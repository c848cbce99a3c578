"""Sweeps: deadlines are rows, looked at each second; nothing sleeps until one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from hub.alerts import service as alerts
from hub.alerts.ports import AlertRepository
from hub.clock import MessageClock
from hub.errors import StorageError
from hub.ingest import ports
from hub.ingest.renewal import Renewal
from hub.ingest.supervision import Supervisor
from hub.pulse import Pulse
from hub.workorders import service as work_orders
from hub.workorders.ports import OrderRepository, RuleParametersPort


class Unit(ports.Unit, Protocol):
    """The transaction, as far as sweeps need it."""

    @property
    def alerts(self) -> AlertRepository: ...
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
        self, transactions: Transactions, supervisor: Supervisor, renewal: Renewal, *, now_ms: Callable[[], int]
    ) -> None:
        """Wire it."""
        self._transactions = transactions
        self._renewal = renewal
        self._supervisor = supervisor
        self._now_ms = now_ms
        self.pulse = Pulse()

    def run(self) -> None:
        """Do everything that is due now, by the rules of now."""
        try:
            self._renewal.renew()
            self._run_at(self._now_ms())
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
