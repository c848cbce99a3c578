"""Timelines of the loop: `story.at(125).raised(FaultCode.BIN_FULL)`; seconds from an arbitrary Wednesday morning."""

from collections.abc import Sequence
from typing import Any, Self

from hub.alerts import service as alerts
from hub.alerts.alert import Alert, SosOutcome
from hub.events import (
    AlertChanged,
    ConditionCleared,
    ConditionRaised,
    Event,
    LifeSafetyHeard,
    RepairProven,
    SosReceiptChanged,
    WorkOrderChanged,
)
from hub.jobs.dispatcher import wanted
from hub.notification import service as notification
from hub.notification.outbox import Delivery, Notification, NotificationState, Outcome
from hub.reactions import conditions_cleared
from hub.vocabulary import FaultCode, Skill, Subject
from hub.workorders import service as orders
from hub.workorders.order import WorkOrder
from protocols.ack import SosReceipt
from tests.fakes.loop import MemoryCrew, MemoryUnit

START_MS = 1_700_000_000_000 - 1_700_000_000_000 % 86_400_000 + 8 * 3_600_000  # 2023-11-14 (Tuesday) 08:00 UTC
BIN = Subject("demo", facility="demo.bin-42")
LAMP = Subject("demo", facility="demo.lamp-7")
BAND = Subject("demo", facility="demo.band-07")
NODE = Subject("demo", node="demo.pi-1")
EVENTS = {"sosPressed": "sos_pressed", "fallDetected": "fall_detected"}


class Story:
    """A site with one crew per skill, on a timeline."""

    def __init__(self, *, crews: bool = True) -> None:
        self.unit = MemoryUnit()
        self.now_ms = START_MS
        self.happened: list[Event] = []
        self._seq = 0
        if crews:
            for skill in Skill:
                self.unit.work_orders.crews[f"demo.{skill}-1"] = MemoryCrew("demo", frozenset({skill}))

    def at(self, second: float) -> Self:
        """Move to a second of the story, sweeping what is due at its own time."""
        until_ms = START_MS + round(second * 1_000)
        while (wake_ms := self._earliest_ms()) is not None and wake_ms <= until_ms:
            self.now_ms = max(wake_ms, self.now_ms)
            self.sweep()
        self.now_ms = until_ms
        return self

    def sweep(self) -> Self:
        self._happen(*alerts.due(self.unit.alerts, at_ms=self.now_ms))
        parameters = self.unit.rule_parameters
        self._happen(*orders.due(self.unit.work_orders, parameters=parameters, at_ms=self.now_ms))
        return self

    def raised(
        self,
        code: FaultCode = FaultCode.BIN_FULL,
        *,
        of: Subject = BIN,
        value: float | None = 81.0,
        explained_by: Subject | None = None,
    ) -> Self:
        reason = "node_explains" if explained_by else "threshold_reached"
        self._happen(ConditionRaised(of, code, reason, self.now_ms, value, explained_by))
        return self

    def cleared(self, code: FaultCode = FaultCode.BIN_FULL, *, of: Subject = BIN) -> Self:
        self._happen(ConditionCleared(of, code, "below_leave_threshold", self.now_ms, 12.0))
        return self

    def proven(self, code: FaultCode = FaultCode.BIN_FULL, *, of: Subject = BIN) -> Self:
        self._happen(RepairProven(of, code, "below_leave_threshold", self.now_ms, 12.0))
        return self

    def heard(
        self,
        ref: str,
        *,
        code: FaultCode = FaultCode.SOS_PRESSED,
        event: str | None = None,
        of: Subject = BAND,
        node: str = "pi-1",
        device: str | None = "band-07",
        age_s: float = 0,
        late: bool = False,
        source_unknown: bool = False,
        said_device: str | None = None,
    ) -> Self:
        self._seq += 1
        self._happen(
            LifeSafetyHeard(
                subject=of,
                fault_code=code,
                event=event or EVENTS[code],
                ref=ref,
                at_ms=self.now_ms - round(age_s * 1_000),
                received_ms=self.now_ms,
                late=late,
                device=device,
                node=node,
                epoch="9f2c4be07a1d3355",
                seq=self._seq,
                source_unknown=source_unknown,
                said_device=said_device,
            )
        )
        return self

    def person(self, what: str, *, by: str = "li", **arguments: Any) -> Self:
        """Have a person do something to the newest alert (`acknowledge`, `resolve` …)."""
        use_case = getattr(alerts, what)
        _, events = use_case(self.unit.alerts, self.alert().id, person=by, at_ms=self.now_ms, **arguments)
        self._happen(*events)
        return self

    def crew(self, what: str, *, by: str = "wang", **arguments: Any) -> Self:
        """Have a crew or dispatcher do something to the newest order (`accept`, `hold` …)."""
        use_case = getattr(orders, what)
        _, events = use_case(self.unit.work_orders, self.order().id, person=by, at_ms=self.now_ms, **arguments)
        self._happen(*events)
        return self

    def reported_done(self, *, by: str = "wang") -> Self:
        order = self.order()
        _, events = orders.complete(
            self.unit.work_orders,
            self.unit.rule_parameters,
            order.id,
            conditions_cleared=conditions_cleared(self.unit, order.id),
            person=by,
            at_ms=self.now_ms,
        )
        self._happen(*events)
        return self

    def sent(self, *, error: str | None = None) -> list[Notification]:
        """Send what is due once (or have every attempt fail); return the rows attempted."""
        attempted: list[Notification] = []
        unit = self.unit
        for life_safety in (True, False):
            for row in unit.notifications.due(life_safety=life_safety, at_ms=self.now_ms, busy=(), limit=100):
                leased = notification.lease(unit.notifications, row, at_ms=self.now_ms)
                assert leased is not None
                attempted.append(leased)
                delivery = Delivery(Outcome.SENT if error is None else Outcome.RETRY, error)
                still = wanted(unit, leased)
                notification.settle(
                    unit.notifications, unit.webhooks, leased, delivery, wanted=still, at_ms=self.now_ms
                )
                if error is None and leased.life_safety and leased.alert is not None:
                    told = alerts.mark_notified(unit.alerts, unit.presses, leased.alert, at_ms=self.now_ms)
                    self._happen(*told)
        return attempted

    def helped(self) -> Self:
        return self.person("resolve", outcome=SosOutcome.HELPED)

    def alert(self, number: int = -1) -> Alert:
        """Return an alert, by default the newest."""
        alert = self.unit.alerts.get(list(self.unit.alerts.rows)[number])
        assert alert is not None
        return alert

    def order(self, number: int = -1) -> WorkOrder:
        """Return a work order, by default the newest."""
        order = self.unit.work_orders.get(list(self.unit.work_orders.rows)[number])
        assert order is not None
        return order

    @property
    def alert_steps(self) -> list[str]:
        return [event.step for event in self.happened if isinstance(event, AlertChanged)]

    @property
    def order_steps(self) -> list[str]:
        return [event.step for event in self.happened if isinstance(event, WorkOrderChanged)]

    @property
    def wearers_told(self) -> int:
        return sum(isinstance(event, SosReceiptChanged) for event in self.happened)

    @property
    def stage(self) -> str:
        """The stage that node pi-1 is told of its newest press."""
        return self.receipts[-1].stage

    @property
    def receipts(self) -> Sequence[SosReceipt]:
        """What node pi-1 is told of its presses, oldest first."""
        return self.unit.presses.receipts("demo", "pi-1", self.now_ms)

    @property
    def waiting(self) -> list[str]:
        """The steps of the messages that are not over."""
        unsent = (NotificationState.PENDING, NotificationState.LEASED)
        return [row.step for row in self.unit.notifications.rows.values() if row.state in unsent]

    def _happen(self, *events: Event) -> None:
        self.happened += self.unit.happen(self.now_ms, *events)

    def _earliest_ms(self) -> int | None:
        wakes = (self.unit.alerts.earliest_wake_ms(), self.unit.work_orders.earliest_wake_ms())
        return min((wake for wake in wakes if wake is not None), default=None)
