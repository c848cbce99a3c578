"""Use cases of alerts: load, decide by `lifecycle`, keep, and say what happened; nothing is committed here."""

from collections.abc import Callable

from hub.alerts import lifecycle
from hub.alerts.alert import Alert, AlertStep, Press, SosOutcome
from hub.alerts.lifecycle import Transition
from hub.alerts.ports import AlertRepository, Fact, PressRepository
from hub.errors import NotFoundError, StaleVersionError
from hub.events import ConditionCleared, ConditionRaised, Event, LifeSafetyHeard, SosReceiptChanged
from hub.vocabulary import FaultCode, Subject


def raise_condition(
    alerts: AlertRepository, raised: ConditionRaised, *, new_id: Callable[[], str], at_ms: int
) -> tuple[Event, ...]:
    """Fire, fire again, suppress or release the alert of a condition that is true; nothing where that is known."""
    parent = _parent(alerts, raised.explained_by)
    alert = alerts.open_of(raised.subject.key, raised.fault_code)
    if alert is None:
        born = lifecycle.fire(raised, alert_id=new_id(), parent=parent, at_ms=at_ms)
        return _added(alerts, born)
    return _kept(alerts, lifecycle.hear_raised(alert, raised, parent=parent, at_ms=at_ms))


def clear_condition(
    alerts: AlertRepository, cleared: ConditionCleared, *, order_over: Callable[[str], bool], at_ms: int
) -> tuple[Event, ...]:
    """Resolve the alert of a condition that is no longer true; `order_over` tells of a work order's id."""
    alert = alerts.open_of(cleared.subject.key, cleared.fault_code)
    if alert is None:
        return ()
    over = alert.work_order is None or order_over(alert.work_order)
    return _kept(alerts, lifecycle.hear_cleared(alert, cleared, order_over=over, at_ms=at_ms))


def hear_life_safety(
    alerts: AlertRepository,
    presses: PressRepository,
    heard: LifeSafetyHeard,
    *,
    new_id: Callable[[], str],
    at_ms: int,
) -> tuple[Event, ...]:
    """Raise, join or merge an SOS, a fall or a cancellation; every record is kept with the alert it belongs to.

    The same fact heard again joins its alert silently while that is open, for 10 minutes after, and for ever where its
    effective time says that it is the very same press; a number used again by a restarted wristband is a new press.
    """
    former = presses.heard(_fact(heard))
    if former is not None:
        alert = _get(alerts, former.alert)
        if lifecycle.merges(alert, at_ms=at_ms) or abs(heard.at_ms - former.at_ms) < lifecycle.MERGE_MS:
            if heard.seq is not None:  # undecodable bytes have no seq that a receipt could name
                presses.add(_press(heard, alert.id))
            return ()
    alert = _joinable(alerts, heard, at_ms=at_ms)
    if alert is None:
        transition = lifecycle.fire_life_safety(heard, alert_id=new_id(), at_ms=at_ms)
        events = _added(alerts, transition)
    else:
        transition = lifecycle.hear_life_safety(alert, heard, at_ms=at_ms)
        events = _kept(alerts, transition)
    presses.add(_press(heard, transition.alert.id))
    return events


def close_with_order(alerts: AlertRepository, work_order: str, *, at_ms: int) -> tuple[Event, ...]:
    """Close the resolved alerts of a work order that is over."""
    events: list[Event] = []
    for alert in alerts.of_order(work_order):
        events += _kept(alerts, lifecycle.hear_order_over(alert, at_ms=at_ms))
    return tuple(events)


def give_order(alerts: AlertRepository, alert: Alert, *, work_order: str, at_ms: int) -> Alert:
    """Keep which work order cares for the alert."""
    transition = lifecycle.give_order(alert, work_order=work_order, at_ms=at_ms)
    _kept(alerts, transition)
    return transition.alert


def mark_notified(alerts: AlertRepository, presses: PressRepository, alert_id: str, *, at_ms: int) -> tuple[Event, ...]:
    """Keep when a life-safety alert was first told to somebody."""
    notified = lifecycle.mark_notified(_get(alerts, alert_id), at_ms=at_ms)
    if notified is None:
        return ()
    alerts.save(notified)
    return _receipts_changed(presses, notified)


def receipts_changed(alerts: AlertRepository, presses: PressRepository, alert_id: str) -> tuple[Event, ...]:
    """Say to whom a stage of the alert has to be told: every node that reported a press of it."""
    alert = alerts.get(alert_id)
    return () if alert is None else _receipts_changed(presses, alert)


def acknowledge(
    alerts: AlertRepository,
    alert_id: str,
    *,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[Alert, tuple[Event, ...]]:
    """Say that a person has heard of the alert; saying it twice changes nothing, unless a press came between."""
    alert = _expected(alerts, alert_id, expected_version)
    heard_ms = alert.acknowledged_at_ms
    pressed_since = heard_ms is not None and any(
        entry.step is AlertStep.PRESSED_AGAIN and entry.at_ms > heard_ms for entry in alerts.log_of(alert_id)
    )
    transition = lifecycle.acknowledge(alert, person=person, at_ms=at_ms, comment=comment, pressed_since=pressed_since)
    return _done(alerts, alert, transition)


def assign(
    alerts: AlertRepository,
    alert_id: str,
    *,
    assignee: str,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[Alert, tuple[Event, ...]]:
    """Make the person `assignee` responsible for the alert."""
    alert = _expected(alerts, alert_id, expected_version)
    transition = lifecycle.assign(alert, assignee=assignee, person=person, at_ms=at_ms, comment=comment)
    return _done(alerts, alert, transition)


def comment(
    alerts: AlertRepository,
    alert_id: str,
    *,
    text: str,
    person: str,
    at_ms: int,
    expected_version: int | None = None,
) -> tuple[Alert, tuple[Event, ...]]:
    """Add a remark to the alert's log."""
    alert = _expected(alerts, alert_id, expected_version)
    return _done(alerts, alert, lifecycle.commented(alert, text=text, person=person, at_ms=at_ms))


def shelve(
    alerts: AlertRepository,
    alert_id: str,
    *,
    until_ms: int,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[Alert, tuple[Event, ...]]:
    """Tell nobody of the alert until `until_ms`; an SOS or a fall cannot be shelved."""
    alert = _expected(alerts, alert_id, expected_version)
    transition = lifecycle.shelve(alert, until_ms=until_ms, person=person, at_ms=at_ms, comment=comment)
    return _done(alerts, alert, transition)


def resolve(
    alerts: AlertRepository,
    alert_id: str,
    *,
    outcome: SosOutcome,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[Alert, tuple[Event, ...]]:
    """Close a life-safety alert with its outcome; others resolve by their condition."""
    alert = _expected(alerts, alert_id, expected_version)
    transition = lifecycle.resolve(alert, outcome=outcome, person=person, at_ms=at_ms, comment=comment)
    return _done(alerts, alert, transition)


def due(alerts: AlertRepository, *, at_ms: int) -> tuple[Event, ...]:
    """Take the steps whose time has come: shelves end."""
    events: list[Event] = []
    for alert in alerts.due(at_ms):
        events += _kept(alerts, lifecycle.wake(alert, at_ms=at_ms))
    return tuple(events)


def _parent(alerts: AlertRepository, explained_by: Subject | None) -> str | None:
    if explained_by is None:
        return None
    parent = alerts.open_of(explained_by.key, FaultCode.NODE_OFFLINE)
    return parent.id if parent is not None and parent.active else None


def _joinable(alerts: AlertRepository, heard: LifeSafetyHeard, *, at_ms: int) -> Alert | None:
    """Return the alert that a new press or cancellation joins; a cancellation also joins one that was just closed."""
    alert = alerts.open_of(heard.subject.key, heard.fault_code)
    if alert is None and heard.event in lifecycle.CANCELLATIONS:
        last = alerts.last_of(heard.subject.key, heard.fault_code)
        return last if last is not None and lifecycle.merges(last, at_ms=at_ms) else None
    return alert


def _press(heard: LifeSafetyHeard, alert_id: str) -> Press:
    return Press(
        alert=alert_id,
        site=heard.subject.site,
        node=heard.node,
        epoch=heard.epoch,
        seq=heard.seq,
        device=heard.device,
        event=heard.event,
        ref=heard.ref,
        at_ms=heard.at_ms,
        received_at_ms=heard.received_ms,
        said_device=heard.said_device,
    )


def _fact(heard: LifeSafetyHeard) -> Fact:
    return Fact(
        site=heard.subject.site,
        node=heard.node,
        device=heard.device,
        said_device=heard.said_device,
        event=heard.event,
        ref=heard.ref,
    )


def _receipts_changed(presses: PressRepository, alert: Alert) -> tuple[Event, ...]:
    nodes = dict.fromkeys((press.site, press.node) for press in presses.of_alert(alert.id))
    return tuple(SosReceiptChanged(site=site, node=node) for site, node in nodes)


def _get(alerts: AlertRepository, alert_id: str) -> Alert:
    alert = alerts.get(alert_id)
    if alert is None:
        message = "there is no such alert"
        raise NotFoundError(message)
    return alert


def _expected(alerts: AlertRepository, alert_id: str, version: int | None) -> Alert:
    alert = _get(alerts, alert_id)
    if version is not None and alert.version != version:
        message = f"the alert is at version {alert.version}, not {version}"
        raise StaleVersionError(message)
    return alert


def _added(alerts: AlertRepository, transition: Transition) -> tuple[Event, ...]:
    alerts.add(transition.alert)
    alerts.log(*transition.log)
    return transition.events


def _kept(alerts: AlertRepository, transition: Transition | None) -> tuple[Event, ...]:
    if transition is None:
        return ()
    alerts.save(transition.alert)
    alerts.log(*transition.log)
    return transition.events


def _done(alerts: AlertRepository, before: Alert, transition: Transition | None) -> tuple[Alert, tuple[Event, ...]]:
    return (before if transition is None else transition.alert), _kept(alerts, transition)
