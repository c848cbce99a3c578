"""Hubs whose timers do not last, on purpose: the run has to catch each. A mutant returns how it is undone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hub.alerts.alert import Alert, AlertLogEntry, AlertStep
from hub.storage.sql.alerts import SqlAlerts
from hub.storage.sql.work_orders import SqlWorkOrders
from hub.workorders.order import WorkOrder
from tests.chaos.timers_stage import Stage

GATHERED: Final = 5


def timers_in_memory() -> Callable[[], None]:
    """The end of a shelf is remembered by the process alone."""
    waiting: dict[str, int] = {}
    save, due, any_due, open_ = SqlAlerts.save, SqlAlerts.due, SqlAlerts.any_due, Stage.open

    def save_without(self: SqlAlerts, alert: Alert) -> None:
        waiting.pop(alert.id, None)
        if alert.wake_at_ms is not None:
            waiting[alert.id] = alert.wake_at_ms
        save(self, replace(alert, wake_at_ms=None))

    def remembered(self: SqlAlerts, at_ms: int) -> Sequence[Alert]:
        late = [(alert_id, wake_ms) for alert_id, wake_ms in waiting.items() if wake_ms <= at_ms]
        found = [(self.get(alert_id), wake_ms) for alert_id, wake_ms in late]
        return [replace(alert, wake_at_ms=wake_ms) for alert, wake_ms in found if alert is not None]

    def forget(self: Stage) -> None:
        waiting.clear()
        open_(self)

    SqlAlerts.save, SqlAlerts.due, Stage.open = save_without, remembered, forget
    SqlAlerts.any_due = lambda self, at_ms: bool(remembered(self, at_ms))

    def undo() -> None:
        SqlAlerts.save, SqlAlerts.due, SqlAlerts.any_due, Stage.open = save, due, any_due, open_

    return undo


def counted_anew_at_a_restart() -> Callable[[], None]:
    """Whatever waits for a time waits ten minutes more from each start."""
    open_ = Stage.open

    def mutant(self: Stage) -> None:
        open_(self)
        with self.transactions.begin() as unit:
            for table in ("alerts", "work_orders"):
                unit.connection.exec_driver_sql(
                    f"UPDATE {table} SET wake_at_ms = {self.now_ms + 600_000} WHERE wake_at_ms IS NOT NULL"  # noqa: S608 numbers only
                )

    Stage.open = mutant

    def undo() -> None:
        Stage.open = open_

    return undo


def acknowledgements_gathered() -> Callable[[], None]:
    """Who acknowledges is answered at once, and what they did is written with that of others, later."""
    held: list[AlertLogEntry] = []
    log, open_ = SqlAlerts.log, Stage.open

    def mutant(self: SqlAlerts, *entries: AlertLogEntry) -> None:
        held.extend(entry for entry in entries if entry.step is AlertStep.ACKNOWLEDGED)
        ready = held[:] if len(held) >= GATHERED else []
        del held[: len(ready)]
        log(self, *ready, *(entry for entry in entries if entry.step is not AlertStep.ACKNOWLEDGED))

    def forget(self: Stage) -> None:
        held.clear()
        open_(self)

    SqlAlerts.log, Stage.open = mutant, forget

    def undo() -> None:
        SqlAlerts.log, Stage.open = log, open_

    return undo


def proofs_wait_for_ever() -> Callable[[], None]:
    """The window for a proof is not kept with the order."""
    save = SqlWorkOrders.save

    def mutant(self: SqlWorkOrders, order: WorkOrder) -> None:
        save(self, replace(order, wake_at_ms=None) if order.state == "done" else order)

    SqlWorkOrders.save = mutant

    def undo() -> None:
        SqlWorkOrders.save = save

    return undo


MUTANTS: Final = {
    made.__name__: made
    for made in (timers_in_memory, counted_anew_at_a_restart, acknowledgements_gathered, proofs_wait_for_ever)
}
