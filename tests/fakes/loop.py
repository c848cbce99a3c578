"""The loop in memory: every repository under the same contract suite as those of SQL, and a unit that reacts."""

import itertools
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from hub.alerts.alert import Alert, AlertLogEntry, AlertState, Press
from hub.alerts.lifecycle import CANCELLATIONS, MERGE_MS
from hub.alerts.ports import AlertQuery, Fact, HeardPress
from hub.alerts.receipts import PressProgress, fitting, receipt
from hub.errors import ConflictError, StaleVersionError
from hub.events import Event
from hub.notification.outbox import Channel, Notification
from hub.notification.person_channel import PersonChannel, Recipient
from hub.notification.stream import StreamEvent, StreamKind
from hub.notification.webhook import Webhook
from hub.reactions import react
from hub.vocabulary import PROBE_SITE, FaultCode, Role, Skill, Subject
from hub.workorders.order import OrderLogEntry, OrderState, WorkOrder
from hub.workorders.ports import CrewLoad, OrderQuery, Windows
from protocols.ack import SosReceipt
from tests.fakes.loop_notifications import MemoryNotifications


class MemoryAlerts:
    def __init__(self, presses: "MemoryPresses") -> None:
        self.rows: dict[str, Alert] = {}
        self.entries: list[AlertLogEntry] = []
        self._presses = presses

    def get(self, alert_id: str) -> Alert | None:
        alert = self.rows.get(alert_id)
        return None if alert is None else replace(alert, refs=self._presses.refs(alert_id))

    def open_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        wanted = f"{subject_key}/{fault_code}"
        return next((alert for alert in self._all() if alert.open_key == wanted), None)

    def last_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        closed = [
            alert
            for alert in self._all()
            if alert.subject.key == subject_key and alert.fault_code is fault_code and alert.state is AlertState.CLOSED
        ]
        return max(closed, key=lambda alert: (alert.closed_at_ms or 0, alert.id), default=None)

    def of_order(self, work_order: str) -> Sequence[Alert]:
        mine = (alert for alert in self._all() if alert.work_order == work_order)
        return sorted(mine, key=lambda alert: (alert.fired_at_ms, alert.id))

    def find(self, query: AlertQuery) -> Sequence[Alert]:
        found = [
            alert
            for alert in sorted(self._all(), key=lambda alert: alert.id, reverse=True)
            if (query.sites is None or alert.subject.site in query.sites)
            and query.state in {None, alert.state}
            and query.facility in {None, alert.subject.facility}
            and query.fault_code in {None, alert.fault_code}
            and query.severity in {None, alert.severity}
            and (query.before is None or alert.id < query.before)
        ]
        return found[: query.limit]

    def add(self, alert: Alert) -> None:
        if any(other.open_key == alert.open_key for other in self.rows.values() if other.open_key is not None):
            raise ConflictError("open already")
        self.rows[alert.id] = alert

    def save(self, alert: Alert) -> None:
        if self.rows[alert.id].version != alert.version - 1:
            raise StaleVersionError("changed")
        self.rows[alert.id] = alert

    def log(self, *entries: AlertLogEntry) -> None:
        self.entries += entries

    def log_of(self, alert_id: str) -> Sequence[AlertLogEntry]:
        return [entry for entry in self.entries if entry.alert == alert_id]

    def due(self, at_ms: int) -> Sequence[Alert]:
        waiting = (alert for alert in self._all() if alert.wake_at_ms is not None and alert.wake_at_ms <= at_ms)
        return sorted(waiting, key=lambda alert: (alert.wake_at_ms or 0, alert.id))

    def any_due(self, at_ms: int) -> bool:
        return bool(self.due(at_ms))

    def earliest_wake_ms(self) -> int | None:
        return min((alert.wake_at_ms for alert in self.rows.values() if alert.wake_at_ms is not None), default=None)

    def _all(self) -> list[Alert]:
        return [replace(alert, refs=self._presses.refs(alert.id)) for alert in self.rows.values()]


class MemoryPresses:
    def __init__(self) -> None:
        self.rows: list[Press] = []
        self.names: dict[str, str] = {}
        self.alerts: MemoryAlerts
        self.orders: MemoryOrders

    def add(self, press: Press) -> None:
        self.rows.append(press)

    def refs(self, alert_id: str) -> tuple[str, ...]:
        mine = (row.ref for row in self.rows if row.alert == alert_id and row.event not in CANCELLATIONS)
        return tuple(dict.fromkeys(mine))

    def heard(self, fact: Fact) -> HeardPress | None:
        for row in reversed(self.rows):
            known = (row.site, row.device, row.event, row.ref) == (fact.site, fact.device, fact.event, fact.ref)
            alike = (row.node, row.said_device or "") == (fact.node, fact.said_device or "")
            if known and (alike or fact.device is not None):
                return HeardPress(row.alert, row.at_ms)
        return None

    def of_alert(self, alert_id: str) -> Sequence[Press]:
        return [row for row in self.rows if row.alert == alert_id]

    def receipts(self, site: str, node: str, at_ms: int) -> list[SosReceipt]:
        newest: dict[tuple[str, str | None, str | None, str], PressProgress] = {}
        for row in self.rows:
            alert = self.alerts.rows[row.alert]
            over = alert.closed_at_ms is not None and alert.closed_at_ms <= at_ms - MERGE_MS
            if (row.site, row.node) != (site, node) or row.seq is None or over:
                continue
            order = None if alert.work_order is None else self.orders.rows[alert.work_order]
            coming = order is not None and order.state is not OrderState.CANCELLED
            newest[row.event, row.device, row.said_device, row.ref] = PressProgress(
                ref=row.ref,
                seq=row.seq,
                received_at_ms=row.received_at_ms,
                notified_at_ms=alert.notified_at_ms,
                acknowledged_at_ms=alert.acknowledged_at_ms,
                acknowledged_by=self.names.get(alert.acknowledged_by or ""),
                accepted_at_ms=order.accepted_at_ms if order is not None and coming else None,
                accepted_by=self.names.get((order.accepted_by if order is not None and coming else None) or ""),
                closed_at_ms=alert.closed_at_ms,
            )
        return fitting([((device, said), receipt(progress)) for (_, device, said, _), progress in newest.items()])


@dataclass
class MemoryCrew:
    site: str
    skills: frozenset[Skill]
    retired: bool = False


class MemoryOrders:
    def __init__(self, alerts: MemoryAlerts) -> None:
        self.rows: dict[str, WorkOrder] = {}
        self.entries: list[OrderLogEntry] = []
        self.crews: dict[str, MemoryCrew] = {}
        self.zones: dict[str, str] = {}
        self._alerts = alerts

    def get(self, order_id: str) -> WorkOrder | None:
        return next((order for order in self._all() if order.id == order_id), None)

    def open_of(self, subject_key: str, fault_class: str) -> WorkOrder | None:
        return next((order for order in self._all() if order.open_key == f"{subject_key}/{fault_class}"), None)

    def find(self, query: OrderQuery) -> Sequence[WorkOrder]:
        found = [
            order
            for order in sorted(self._all(), key=lambda order: order.id, reverse=True)
            if (query.sites is None or order.subject.site in query.sites)
            and query.state in {None, order.state}
            and (query.crews is None or order.crew in query.crews)
            and query.facility in {None, order.subject.facility}
            and (query.before is None or order.id < query.before)
        ]
        return found[: query.limit]

    def add(self, order: WorkOrder) -> None:
        if any(other.open_key == order.open_key for other in self.rows.values() if other.open_key is not None):
            raise ConflictError("open already")
        self.rows[order.id] = order

    def save(self, order: WorkOrder) -> None:
        if self.rows[order.id].version != order.version - 1:
            raise StaleVersionError("changed")
        self.rows[order.id] = order

    def log(self, *entries: OrderLogEntry) -> None:
        self.entries += entries

    def log_of(self, order_id: str) -> Sequence[OrderLogEntry]:
        return [entry for entry in self.entries if entry.work_order == order_id]

    def due(self, at_ms: int) -> Sequence[WorkOrder]:
        waiting = (order for order in self._all() if order.wake_at_ms is not None and order.wake_at_ms <= at_ms)
        return sorted(waiting, key=lambda order: (order.wake_at_ms or 0, order.id))

    def any_due(self, at_ms: int) -> bool:
        return bool(self.due(at_ms))

    def earliest_wake_ms(self) -> int | None:
        return min((order.wake_at_ms for order in self.rows.values() if order.wake_at_ms is not None), default=None)

    def able_crews(self, site: str, skill: Skill) -> Sequence[CrewLoad]:
        return [
            CrewLoad(crew, sum(order.crew == crew and not order.over for order in self.rows.values()))
            for crew, known in sorted(self.crews.items())
            if known.site == site and skill in known.skills and not known.retired
        ]

    def has_crew(self, site: str, crew: str) -> bool:
        return crew in self.crews and self.crews[crew].site == site and not self.crews[crew].retired

    def time_zone(self, site: str) -> str:
        return self.zones.get(site, "UTC")

    def _all(self) -> list[WorkOrder]:
        return [
            replace(order, alerts=tuple(alert.id for alert in self._alerts.of_order(order.id)))
            for order in self.rows.values()
        ]


class MemoryWebhooks:
    def __init__(self) -> None:
        self.rows: dict[str, Webhook] = {}

    def get(self, webhook_id: str) -> Webhook | None:
        return self.rows.get(webhook_id)

    def enabled(self, site: str) -> Sequence[Webhook]:
        found = [hook for hook in self.rows.values() if hook.site == site and hook.disabled_at_ms is None]
        return sorted(found, key=lambda hook: hook.id)

    def find(
        self, *, sites: frozenset[str] | None = None, before: str | None = None, limit: int = 50
    ) -> Sequence[Webhook]:
        found = [
            hook
            for hook in sorted(self.rows.values(), key=lambda hook: hook.id, reverse=True)
            if (sites is None or hook.site in sites) and (before is None or hook.id < before)
        ]
        return found[:limit]

    def add(self, webhook: Webhook) -> None:
        self.rows[webhook.id] = webhook

    def save(self, webhook: Webhook) -> None:
        if self.rows[webhook.id].version != webhook.version - 1:
            raise StaleVersionError("changed")
        self.rows[webhook.id] = webhook

    def remove(self, webhook_id: str) -> None:
        self.rows.pop(webhook_id, None)


@dataclass
class MemoryPerson:
    roles: frozenset[tuple[Role, str]] = frozenset()
    crews: frozenset[str] = frozenset()
    locale: str = "zh"
    retired: bool = False


class MemoryPersonChannels:
    def __init__(self) -> None:
        self.rows: dict[str, PersonChannel] = {}
        self.people: dict[str, MemoryPerson] = {}
        self.zones: dict[str, str] = {}
        self.paces: dict[str, int] = {}

    def get(self, channel_id: str) -> PersonChannel | None:
        return self.rows.get(channel_id)

    def of_person(self, person: str) -> Sequence[PersonChannel]:
        found = [row for row in self.rows.values() if row.person == person]
        return sorted(found, key=lambda row: row.id, reverse=True)

    def concerned(self, site: str, *, roles: tuple[Role, ...], crew: str | None) -> Sequence[Recipient]:
        wanted = {(role, place) for role in roles for place in (site, "*")}
        found: list[Recipient] = []
        for row in sorted(self.rows.values(), key=lambda row: row.id):
            person = self.people.get(row.person)
            if person is None or person.retired or row.disabled_at_ms is not None:
                continue
            if person.roles & wanted or crew in person.crews:
                found.append(Recipient(row, person.locale, self.zones.get(site, "Asia/Shanghai")))
        return found

    def any(self) -> bool:
        return bool(self.rows)

    def add(self, channel: PersonChannel) -> None:
        self.rows[channel.id] = channel

    def save(self, channel: PersonChannel) -> None:
        if self.rows[channel.id].version != channel.version - 1:
            raise StaleVersionError("changed")
        self.rows[channel.id] = channel

    def remove(self, channel_id: str) -> None:
        self.rows.pop(channel_id, None)

    def spent_until_ms(self, key: str) -> int:
        return self.paces.get(key, 0)

    def spend(self, key: str, *, was_ms: int, until_ms: int) -> bool:
        if self.paces.get(key, 0) != was_ms:
            return False
        self.paces[key] = until_ms
        return True


class MemoryStream:
    def __init__(self) -> None:
        self.rows: list[StreamEvent] = []
        self._ids = itertools.count(1)

    def append(self, event: StreamKind, item: Mapping[str, Any], *, site: str, at_ms: int) -> None:
        data = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
        self.rows.append(StreamEvent(next(self._ids), at_ms, site, event, data))

    def after(self, last_id: int, *, sites: frozenset[str] | None = None, limit: int = 200) -> Sequence[StreamEvent]:
        return [row for row in self.rows if row.id > last_id and (sites is None or row.site in sites)][:limit]

    def last_id(self) -> int:
        return self.rows[-1].id if self.rows else 0

    def prune(self, before_ms: int) -> int:
        old = [row for row in self.rows if row.at_ms < before_ms]
        self.rows = [row for row in self.rows if row.at_ms >= before_ms]
        return len(old)


class MemoryProbes:
    """The watchdog's test press: one row, in place of the one before."""

    def __init__(self, notifications: MemoryNotifications) -> None:
        self._rows = notifications.rows

    def put(self, message: Notification) -> None:
        for old in [row.id for row in self._rows.values() if (row.site, row.channel) == (PROBE_SITE, Channel.SINK)]:
            del self._rows[old]
        self._rows[message.id] = message


@dataclass
class FixedParameters:
    """The same windows everywhere."""

    verify_window_s: float = 3_600
    review_s: float = 0

    def windows(self, subject: Subject, fault_code: FaultCode) -> Windows:
        return Windows(self.verify_window_s, self.review_s)


@dataclass
class Items:
    """REST items of what other packages own."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def item(self, identifier: str, /) -> dict[str, Any] | None:
        return self.items.get(identifier)

    def node_item(self, node: str, /) -> dict[str, Any] | None:
        return self.items.get(node)


class MemoryUnit:
    """A transaction that is always open: what is emitted is reacted to by `settle`."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.new_id: Callable[[], str] = lambda: f"01J{next(numbers):023d}"
        self.presses = MemoryPresses()
        self.alerts = MemoryAlerts(self.presses)
        self.work_orders = MemoryOrders(self.alerts)
        self.presses.alerts, self.presses.orders = self.alerts, self.work_orders
        self.notifications = MemoryNotifications()
        self.probes = MemoryProbes(self.notifications)
        self.webhooks = MemoryWebhooks()
        self.person_channels = MemoryPersonChannels()
        self.stream = MemoryStream()
        self.rule_parameters = FixedParameters()
        self.quarantine = Items()
        self.registry = Items()
        self.pending: list[Event] = []

    def emit(self, *events: Event) -> None:
        self.pending += events

    def settle(self, at_ms: int) -> list[Event]:
        """React until nothing is left; return all that happened."""
        happened: list[Event] = []
        while self.pending:
            event = self.pending.pop(0)
            happened.append(event)
            self.pending[:0] = react(self, event, at_ms)
        return happened

    def happen(self, at_ms: int, *events: Event) -> list[Event]:
        """Emit and settle."""
        self.emit(*events)
        return self.settle(at_ms)


class MemoryTransactions:
    """Transactions on one `MemoryUnit`, one at a time as the gate has it, for what opens its own."""

    def __init__(self, unit: MemoryUnit, *, now_ms: Callable[[], int], lock: AbstractContextManager[Any]) -> None:
        self._unit = unit
        self._now_ms = now_ms
        self._lock = lock

    @contextmanager
    def read(self) -> Generator[MemoryUnit]:
        with self._lock:
            yield self._unit

    @contextmanager
    def begin(self, life_safety: bool) -> Generator[MemoryUnit]:
        with self._lock:
            yield self._unit
            self._unit.settle(self._now_ms())
