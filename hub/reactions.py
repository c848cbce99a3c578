"""What follows from each event: every consequence of the loop on one page, inside the transaction of its cause."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from hub.alerts import service as alerts
from hub.alerts.alert import Alert, AlertReason, AlertState, AlertStep
from hub.alerts.ports import AlertRepository, PressRepository
from hub.alerts.presenter import present_alert
from hub.events import (
    AlertChanged,
    ConditionCleared,
    ConditionRaised,
    Event,
    LifeSafetyHeard,
    NodeChanged,
    ProbeHeard,
    QuarantineChanged,
    RepairProven,
    SosReceiptChanged,
    WorkOrderChanged,
)
from hub.notification import service as notification
from hub.notification.messages import ALERT_ATTENTION, ALERT_NEWS, ORDER_ATTENTION, ORDER_NEWS, Message
from hub.notification.ports import (
    NotificationRepository,
    PersonChannelRepository,
    ProbeRepository,
    WebhookRepository,
)
from hub.notification.probe import probe_message
from hub.notification.stream import StreamKind, StreamRepository
from hub.notification.texts import shipped_texts
from hub.vocabulary import FAULTS
from hub.workorders import service as orders
from hub.workorders.order import OrderState, OrderStep
from hub.workorders.ports import OrderRepository, RuleParametersPort
from hub.workorders.presenter import present_order


class ItemSource(Protocol):
    """Quarantined items as the REST contract shows them."""

    def item(self, identifier: str, /) -> dict[str, Any] | None:
        """Return the REST item, or None where there is no such thing."""
        ...


class NodeItemSource(Protocol):
    """Nodes as the REST contract shows them."""

    def node_item(self, node: str, /) -> dict[str, Any] | None:
        """Return the REST item of a node's REST id, or None where it is not registered."""
        ...


class Unit(Protocol):
    """The transaction, as far as the loop needs it."""

    new_id: Callable[[], str]

    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def presses(self) -> PressRepository: ...
    @property
    def probes(self) -> ProbeRepository: ...
    @property
    def work_orders(self) -> OrderRepository: ...
    @property
    def rule_parameters(self) -> RuleParametersPort: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def webhooks(self) -> WebhookRepository: ...
    @property
    def person_channels(self) -> PersonChannelRepository: ...
    @property
    def stream(self) -> StreamRepository: ...
    @property
    def quarantine(self) -> ItemSource: ...
    @property
    def registry(self) -> NodeItemSource: ...


def react(unit: Unit, event: Event, at_ms: int) -> Iterable[Event]:
    """Run the handlers of an event in their order and return the events that follow; `at_ms` is the hub's time."""
    following: list[Event] = []
    for handler in REACTIONS[type(event)]:
        following += handler(unit, event, at_ms)
    return following


def conditions_cleared(unit: Unit, order_id: str) -> bool:
    """Tell whether no condition that an order was opened for is true any more, as far as the hub knows."""
    return not any(alert.active for alert in unit.alerts.of_order(order_id))


def raise_alert(unit: Unit, event: ConditionRaised, at_ms: int) -> Iterable[Event]:
    """A condition is true: its alert fires, fires again, is suppressed or released."""
    return alerts.raise_condition(unit.alerts, event, new_id=unit.new_id, at_ms=at_ms)


def resolve_alert(unit: Unit, event: ConditionCleared, at_ms: int) -> Iterable[Event]:
    """A condition is gone: its alert resolves, and closes where no order is open for it."""
    return alerts.clear_condition(
        unit.alerts, event, order_over=lambda order_id: _order_over(unit, order_id), at_ms=at_ms
    )


def verify_order(unit: Unit, event: RepairProven, at_ms: int) -> Iterable[Event]:
    """A repair is proven: the order closes when that holds for every alert in it."""
    order = unit.work_orders.open_of(event.subject.key, FAULTS[event.fault_code].fault_class)
    if order is None:
        return ()
    cared_for = unit.alerts.of_order(order.id)
    proven = [alert.fault_code is event.fault_code for alert in cared_for]
    gone = all(is_proven or not alert.active for is_proven, alert in zip(proven, cared_for, strict=True))
    return orders.prove(unit.work_orders, order, at_ms=at_ms) if any(proven) and gone else ()


def hear_life_safety(unit: Unit, event: LifeSafetyHeard, at_ms: int) -> Iterable[Event]:
    """Somebody calls for help: an alert fires, or the call joins the open one."""
    return alerts.hear_life_safety(unit.alerts, unit.presses, event, new_id=unit.new_id, at_ms=at_ms)


def answer_probe(unit: Unit, event: ProbeHeard, at_ms: int) -> Iterable[Event]:
    """The watchdog tries the way of an SOS: its message goes through the outbox, to nobody."""
    unit.probes.put(probe_message(event, notification_id=unit.new_id(), at_ms=at_ms))
    return ()


def order_repair(unit: Unit, event: AlertChanged, at_ms: int) -> Iterable[Event]:
    """An alert that asks for somebody gets a work order, or joins the one that is open."""
    if event.step not in {AlertStep.FIRED, AlertStep.REFIRED, AlertStep.RELEASED}:
        return ()
    alert = unit.alerts.get(event.alert_id)
    if alert is None or (alert.work_order is not None and not _order_over(unit, alert.work_order)):
        return ()
    opened = orders.open_or_join(
        unit.work_orders,
        alert=alert.id,
        subject=alert.subject,
        fault_code=alert.fault_code,
        new_id=unit.new_id,
        at_ms=at_ms,
    )
    if opened is None:
        return ()
    order, following = opened
    alerts.give_order(unit.alerts, alert, work_order=order.id, at_ms=at_ms)
    return following


def close_care(unit: Unit, event: AlertChanged, at_ms: int) -> Iterable[Event]:
    """A person closed an SOS or a fall: its order closes with the last of its alerts."""
    if event.step != AlertStep.CLOSED or not FAULTS[event.fault_code].life_safety:
        return ()
    alert = unit.alerts.get(event.alert_id)
    if alert is None or alert.work_order is None:
        return ()
    if any(other.state is not AlertState.CLOSED for other in unit.alerts.of_order(alert.work_order)):
        return ()
    return orders.close_with_alerts(unit.work_orders, alert.work_order, at_ms=at_ms)


def close_alerts(unit: Unit, event: WorkOrderChanged, at_ms: int) -> Iterable[Event]:
    """An order is over: its resolved alerts close."""
    if event.step not in {OrderStep.CLOSED, OrderStep.CANCELLED}:
        return ()
    return alerts.close_with_order(unit.alerts, event.work_order_id, at_ms=at_ms)


def tell_wearers_of_alert(unit: Unit, event: AlertChanged, _at_ms: int) -> Iterable[Event]:
    """A person has heard, or closed: the wearers are told."""
    if not FAULTS[event.fault_code].life_safety or event.step not in {AlertStep.ACKNOWLEDGED, AlertStep.CLOSED}:
        return ()
    return alerts.receipts_changed(unit.alerts, unit.presses, event.alert_id)


def tell_wearers_of_order(unit: Unit, event: WorkOrderChanged, _at_ms: int) -> Iterable[Event]:
    """A crew is on its way, or no longer: the wearers are told."""
    if event.step not in {OrderStep.ACCEPTED, OrderStep.ASSIGNED, OrderStep.REOPENED, OrderStep.CANCELLED}:
        return ()
    order = unit.work_orders.get(event.work_order_id)
    if order is None or not order.life_safety or order.version == 1:  # at its birth no stage changes
        return ()
    changed = [change for alert in order.alerts for change in alerts.receipts_changed(unit.alerts, unit.presses, alert)]
    return tuple(dict.fromkeys(changed))


def hush_alert(unit: Unit, event: AlertChanged, _at_ms: int) -> Iterable[Event]:
    """Somebody has taken the alert, or it is over or shelved: what asks for somebody is stopped with it."""
    if event.step in {AlertStep.ACKNOWLEDGED, AlertStep.SHELVED, AlertStep.RESOLVED, AlertStep.CLOSED}:
        notification.hush_alert(unit.notifications, event.alert_id)
    return ()


def hush_order(unit: Unit, event: WorkOrderChanged, _at_ms: int) -> Iterable[Event]:
    """An order has moved on: what asked for the former step is stopped."""
    if event.step not in {OrderStep.JOINED, OrderStep.HELD, OrderStep.RESUMED}:
        notification.hush_order(unit.notifications, event.work_order_id)
    return ()


def notify_of_alert(unit: Unit, event: AlertChanged, at_ms: int) -> Iterable[Event]:
    """People are told of an alert, unless it is suppressed or shelved."""
    alert = unit.alerts.get(event.alert_id)
    if alert is None or event.step not in {*ALERT_ATTENTION, *ALERT_NEWS} or alert.suppressed_by is not None:
        return ()
    shelved = alert.shelved_until_ms is not None and alert.shelved_until_ms > at_ms
    answered = event.step == AlertStep.UNSHELVED and alert.state is not AlertState.FIRING
    if shelved or answered or (event.step == AlertStep.RESOLVED and alert.state is AlertState.CLOSED):
        return ()
    message = Message(
        kind=f"alert.{event.step}",
        site=alert.subject.site,
        item=present_alert(alert),
        text_key=f"alert.{alert.fault_code}.{_told_as(alert, event.step)}",
        params={
            "subject": unit.notifications.subject_name(alert.subject),
            "fault_code": alert.fault_code.value,
            "value": alert.value,
            "age_min": _age_min(unit, alert, at_ms) if alert.late else 0,
        },
        at_ms=at_ms,
        alert=alert.id,
        life_safety=alert.life_safety and event.step in ALERT_ATTENTION,
    )
    _tell(unit, message)
    return ()


def notify_of_order(unit: Unit, event: WorkOrderChanged, at_ms: int) -> Iterable[Event]:
    """People are told of a work order."""
    order = unit.work_orders.get(event.work_order_id)
    if order is None or event.step not in {*ORDER_ATTENTION, *ORDER_NEWS}:
        return ()
    message = Message(
        kind=f"work_order.{event.step}",
        site=order.subject.site,
        item=present_order(order),
        text_key=f"work_order.{event.step}",
        params={
            "subject": unit.notifications.subject_name(order.subject),
            "fault_code": order.fault_code.value,
            "crew": None if order.crew is None else unit.notifications.crew_name(order.crew),
            "skill": order.skill.value,
            "reason": order.reason.value,
        },
        at_ms=at_ms,
        work_order=order.id,
        crew=order.crew,
        life_safety=order.life_safety and event.step in ORDER_ATTENTION,
    )
    _tell(unit, message)
    return ()


def stream_alert(unit: Unit, event: AlertChanged, at_ms: int) -> Iterable[Event]:
    """Who watches sees the alert as it is now; a step that was passed at once is not shown twice."""
    alert = unit.alerts.get(event.alert_id)
    if alert is not None and not (event.step == AlertStep.RESOLVED and alert.state is AlertState.CLOSED):
        unit.stream.append(StreamKind.ALERT, present_alert(alert), site=alert.subject.site, at_ms=at_ms)
    return ()


def stream_order(unit: Unit, event: WorkOrderChanged, at_ms: int) -> Iterable[Event]:
    """Who watches sees the order as it is now; a step that was passed at once is not shown twice."""
    order = unit.work_orders.get(event.work_order_id)
    passed = {OrderStep.DONE, OrderStep.VERIFIED}
    if order is not None and not (event.step in passed and order.state is OrderState.CLOSED):
        unit.stream.append(StreamKind.WORK_ORDER, present_order(order), site=order.subject.site, at_ms=at_ms)
    return ()


def stream_quarantine(unit: Unit, event: QuarantineChanged, at_ms: int) -> Iterable[Event]:
    """Who watches sees what was refused, released or discarded."""
    item = unit.quarantine.item(event.quarantine_id)
    if item is not None:
        unit.stream.append(StreamKind.QUARANTINE, item, site=event.site, at_ms=at_ms)
    return ()


def stream_node(unit: Unit, event: NodeChanged, at_ms: int) -> Iterable[Event]:
    """Who watches sees a node appear, fall silent and come back."""
    item = None if event.subject.node is None else unit.registry.node_item(event.subject.node)
    if item is not None:
        unit.stream.append(StreamKind.NODE, item, site=event.subject.site, at_ms=at_ms)
    return ()


Handler = Callable[[Unit, Any, int], Iterable[Event]]

REACTIONS: Final[Mapping[type[Event], tuple[Handler, ...]]] = {
    ConditionRaised: (raise_alert,),
    ConditionCleared: (resolve_alert,),
    RepairProven: (verify_order,),
    LifeSafetyHeard: (hear_life_safety,),
    ProbeHeard: (answer_probe,),
    AlertChanged: (order_repair, close_care, tell_wearers_of_alert, hush_alert, notify_of_alert, stream_alert),
    WorkOrderChanged: (close_alerts, tell_wearers_of_order, hush_order, notify_of_order, stream_order),
    QuarantineChanged: (stream_quarantine,),
    NodeChanged: (stream_node,),
    SosReceiptChanged: (),  # told by a listener, after the commit
}
"""Event → what follows, in this order; an alert has its order before anybody is told of it."""


def _tell(unit: Unit, message: Message) -> None:
    notification.tell(
        unit.notifications, unit.webhooks, unit.person_channels, message, texts=shipped_texts(), new_id=unit.new_id
    )


def _order_over(unit: Unit, order_id: str) -> bool:
    order = unit.work_orders.get(order_id)
    return order is None or order.over


def _told_as(alert: Alert, step: str) -> str:
    """Return the last part of the text key: an SOS fires in four ways."""
    if step != AlertStep.FIRED or not alert.life_safety:
        return step
    if alert.source_unknown:
        return "source_unknown"
    if alert.reason == AlertReason.CANCELLED_BY_WEARER:
        return "only_cancelled"
    return "fired_late" if alert.late else step


def _age_min(unit: Unit, alert: Alert, at_ms: int) -> int:
    """Return how many minutes ago the first press of the alert was made."""
    first = min((press.at_ms for press in unit.presses.of_alert(alert.id)), default=at_ms)
    return max(at_ms - first, 0) // 60_000
