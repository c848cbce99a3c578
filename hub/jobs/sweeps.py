"""Sweeps: deadlines are rows, looked at each second; nothing sleeps until one."""

from collections.abc import Callable

from hub.alerts import service as alerts
from hub.clock import MessageClock
from hub.ingest.supervision import Supervisor
from hub.storage.sql.gate import Priority
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.workorders import service as work_orders


class Sweeps:
    """Runs what came due: rules, supervision of nodes and devices, alerts and work orders."""

    def __init__(self, transactions: SqlTransactions, supervisor: Supervisor, *, now_ms: Callable[[], int]) -> None:
        """Wire it."""
        self._transactions = transactions
        self._supervisor = supervisor
        self._now_ms = now_ms

    def run(self) -> None:
        """Do everything that is due now."""
        self._run_at(self._now_ms())

    def advance(self, clock: MessageClock, to_ms: int) -> None:
        """Move simulated time to `to_ms`; every deadline on the way is met at its own time."""
        if clock.now_ms() > 0:
            while (due_ms := self._earliest_ms()) is not None and due_ms <= to_ms:
                before_ms = clock.now_ms()
                clock.advance(due_ms)
                self._run_at(clock.now_ms())
                if due_ms <= before_ms and self._earliest_ms() == due_ms:
                    break  # nothing moved it: the next message will
        if clock.advance(to_ms):
            with self._transactions.begin(Priority.BACKGROUND) as unit:
                unit.meta.set("clock_ms", str(to_ms))

    def _run_at(self, at_ms: int) -> None:
        while self._supervisor.sweep(self._transactions, at_ms):
            pass
        with self._transactions.read() as unit:
            orders_due = unit.work_orders.any_due(at_ms)
            alerts_due = unit.alerts.any_due(at_ms)
        if not (orders_due or alerts_due):
            return
        with self._transactions.begin(Priority.BACKGROUND, at_ms=at_ms) as unit:
            unit.emit(*alerts.due(unit.alerts, at_ms=at_ms))
            unit.emit(*work_orders.due(unit.work_orders, parameters=unit.rule_parameters, at_ms=at_ms))

    def _earliest_ms(self) -> int | None:
        with self._transactions.read() as unit:
            return unit.states.earliest_wake_ms()
