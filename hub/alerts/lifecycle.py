"""What each input does to an alert: pure steps `(alert, input, at) → Transition`, every one with its reason.

firing → acknowledged → resolved → closed; a resolved alert whose condition comes back fires again. Who is told is
decided elsewhere, by the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hub.alerts.alert import Alert, AlertLogEntry, AlertReason, AlertState, AlertStep, SosOutcome
from hub.errors import IllegalTransitionError, InvalidError
from hub.events import AlertChanged, ConditionCleared, ConditionRaised, LifeSafetyHeard
from hub.vocabulary import FAULTS

MERGE_MS: Final = 10 * 60_000
"""A press that is heard again within this time after its alert was closed is no new press (`wire.md` §4)."""
CANCELLATIONS: Final = frozenset({"sos_cancelled", "fall_cancelled"})
"""Events by which a wearer takes an alarm back; a person still closes it."""
_REASONS: Final[Mapping[str, AlertReason]] = {
    "sos_pressed": AlertReason.SOS_PRESSED,
    "fall_detected": AlertReason.FALL_DETECTED,
    "sos_cancelled": AlertReason.CANCELLED_BY_WEARER,
    "fall_cancelled": AlertReason.CANCELLED_BY_WEARER,
}
_LEGAL: Final[Mapping[AlertState, tuple[str, ...]]] = {
    AlertState.FIRING: ("acknowledge", "assign", "comments", "shelve"),
    AlertState.ACKNOWLEDGED: ("assign", "comments", "shelve"),
    AlertState.RESOLVED: ("assign", "comments"),
    AlertState.CLOSED: ("comments",),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert after an input, and what happened to it, in order."""

    alert: Alert
    log: tuple[AlertLogEntry, ...]

    @property
    def events(self) -> tuple[AlertChanged, ...]:
        """The log as domain events."""
        alert = self.alert
        return tuple(
            AlertChanged(
                alert_id=alert.id,
                subject=alert.subject,
                fault_code=alert.fault_code,
                severity=alert.severity,
                colour=alert.colour,
                step=entry.step,
                at_ms=entry.at_ms,
            )
            for entry in self.log
        )


def legal(alert: Alert) -> tuple[str, ...]:
    """Return the steps a person may take now, by the names of the REST contract."""
    steps = _LEGAL[alert.state]
    if not alert.life_safety:
        return steps
    steps = tuple(step for step in steps if step != "shelve")
    return (*steps, "resolve") if alert.active else steps


def fire(raised: ConditionRaised, *, alert_id: str, parent: str | None, at_ms: int) -> Transition:
    """Begin the life of an alert; with a `parent` (an alert's id) it is suppressed from the start."""
    fault = FAULTS[raised.fault_code]
    alert = Alert(
        id=alert_id,
        version=0,
        subject=raised.subject,
        fault_code=raised.fault_code,
        severity=fault.severity,
        colour=fault.colour,
        state=AlertState.FIRING,
        reason=raised.reason,
        value=raised.value,
        fired_at_ms=at_ms,
        suppressed_by=parent,
    )
    step = AlertStep.FIRED if parent is None else AlertStep.SUPPRESSED
    return _stepped(alert, step, at_ms, reason=raised.reason)


def hear_raised(alert: Alert, raised: ConditionRaised, *, parent: str | None, at_ms: int) -> Transition | None:
    """Take a condition that is (still, or again) true into its open alert; None where nothing is new."""
    if alert.state is AlertState.RESOLVED:
        again = replace(
            alert,
            state=AlertState.FIRING,
            reason=raised.reason,
            value=raised.value,
            acknowledged_at_ms=None,
            acknowledged_by=None,
            resolved_at_ms=None,
            suppressed_by=parent,
        )
        step = AlertStep.REFIRED if parent is None else AlertStep.SUPPRESSED
        return _stepped(again, step, at_ms, reason=raised.reason)
    if alert.suppressed_by is not None and parent is None:
        freed = replace(alert, suppressed_by=None, reason=raised.reason, value=raised.value)
        return _stepped(freed, AlertStep.RELEASED, at_ms, reason=raised.reason)
    return None


def hear_cleared(alert: Alert, cleared: ConditionCleared, *, order_over: bool, at_ms: int) -> Transition | None:
    """Resolve an alert whose condition is gone, and close it where it has no order or its order is over."""
    if alert.life_safety or not alert.active:
        return None
    resolved = replace(alert, state=AlertState.RESOLVED, resolved_at_ms=at_ms)
    transition = _stepped(resolved, AlertStep.RESOLVED, at_ms, reason=cleared.reason)
    if not order_over:
        return transition
    reason = AlertReason.NO_ORDER if alert.work_order is None else AlertReason.ORDER_OVER
    return _then(transition, _closed(transition.alert, reason, at_ms))


def hear_order_over(alert: Alert, *, at_ms: int) -> Transition | None:
    """Close a resolved alert whose work order is closed or cancelled."""
    if alert.state is not AlertState.RESOLVED:
        return None
    return _closed(alert, AlertReason.ORDER_OVER, at_ms)


def fire_life_safety(heard: LifeSafetyHeard, *, alert_id: str, at_ms: int) -> Transition:
    """Raise an SOS or a fall; `fired_at` is the hub's time, an old press is marked `late`."""
    fault = FAULTS[heard.fault_code]
    reason = AlertReason.SOURCE_UNKNOWN if heard.source_unknown else _REASONS.get(heard.event, AlertReason.SOS_PRESSED)
    alert = Alert(
        id=alert_id,
        version=0,
        subject=heard.subject,
        fault_code=heard.fault_code,
        severity=fault.severity,
        colour=fault.colour,
        state=AlertState.FIRING,
        reason=reason,
        refs=() if _cancels(heard) else (heard.ref,),
        late=heard.late,
        source_unknown=heard.source_unknown,
        fired_at_ms=at_ms,
    )
    return _stepped(alert, AlertStep.FIRED, at_ms, reason=reason)


def hear_life_safety(alert: Alert, heard: LifeSafetyHeard, *, at_ms: int) -> Transition:
    """Take a new press into its wearer's open alert, or a cancellation: both are told, neither closes."""
    if _cancels(heard):
        return _stepped(alert, AlertStep.CANCELLED_BY_WEARER, at_ms, reason=AlertReason.CANCELLED_BY_WEARER)
    refs = alert.refs if heard.ref in alert.refs else (*alert.refs, heard.ref)
    reason = AlertReason.SOURCE_UNKNOWN if heard.source_unknown else _REASONS.get(heard.event, AlertReason.SOS_PRESSED)
    return _stepped(replace(alert, refs=refs), AlertStep.PRESSED_AGAIN, at_ms, reason=reason)


def merges(alert: Alert, *, at_ms: int) -> bool:
    """Tell whether a press heard again belongs to its alert: open, or closed less than 10 minutes ago."""
    return alert.closed_at_ms is None or at_ms - alert.closed_at_ms < MERGE_MS


def acknowledge(
    alert: Alert, *, person: str, at_ms: int, comment: str = "", pressed_since: bool = False
) -> Transition | None:
    """Say that a person has heard; None where one has said so before and adds nothing.

    A press that came after (`pressed_since`) has been heard by nobody yet, so it can be acknowledged anew.
    """
    if alert.state is AlertState.ACKNOWLEDGED and not pressed_since:
        return commented(alert, text=comment, person=person, at_ms=at_ms) if comment else None
    if alert.state is not AlertState.ACKNOWLEDGED:
        _require(alert, "acknowledge")
    heard = replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_at_ms=at_ms, acknowledged_by=person)
    return _stepped(heard, AlertStep.ACKNOWLEDGED, at_ms, person=person, comment=comment)


def assign(alert: Alert, *, assignee: str, person: str, at_ms: int, comment: str = "") -> Transition:
    """Make a person responsible."""
    _require(alert, "assign")
    return _stepped(
        replace(alert, assignee=assignee), AlertStep.ASSIGNED, at_ms, person=person, comment=comment or assignee
    )


def commented(alert: Alert, *, text: str, person: str, at_ms: int) -> Transition:
    """Add a person's remark."""
    _require(alert, "comments")
    if not text.strip():
        raise InvalidError(("comment", "must not be empty"))
    return _stepped(alert, AlertStep.COMMENTED, at_ms, person=person, comment=text)


def shelve(alert: Alert, *, until_ms: int, person: str, at_ms: int, comment: str = "") -> Transition:
    """Tell nobody until then; never an SOS."""
    _require(alert, "shelve")
    if until_ms <= at_ms:
        raise InvalidError(("until", "must lie in the future"))
    shelved = replace(alert, shelved_until_ms=until_ms, wake_at_ms=until_ms)
    return _stepped(shelved, AlertStep.SHELVED, at_ms, person=person, comment=comment)


def resolve(alert: Alert, *, outcome: SosOutcome, person: str, at_ms: int, comment: str = "") -> Transition:
    """Close a life-safety alert, as only a person can."""
    if not alert.life_safety:
        message = "this alert resolves by its condition"
        raise IllegalTransitionError(message, legal=legal(alert))
    _require(alert, "resolve")
    resolved = replace(alert, state=AlertState.RESOLVED, resolved_at_ms=at_ms, outcome=outcome)
    transition = _stepped(
        resolved, AlertStep.RESOLVED, at_ms, person=person, reason=AlertReason.BY_PERSON, comment=comment
    )
    return _then(transition, _closed(transition.alert, AlertReason.BY_PERSON, at_ms, person=person))


def give_order(alert: Alert, *, work_order: str, at_ms: int) -> Transition:
    """Keep which work order cares for the alert; logged, but no event."""
    return _stepped(replace(alert, work_order=work_order), AlertStep.ORDERED, at_ms)


def mark_notified(alert: Alert, *, at_ms: int) -> Alert | None:
    """Keep when somebody was first told of it; None where that is known. Its wearer sees it, nobody else does."""
    if alert.notified_at_ms is not None:
        return None
    return replace(alert, version=alert.version + 1, notified_at_ms=at_ms)


def wake(alert: Alert, *, at_ms: int) -> Transition | None:
    """End the shelf when its time has come."""
    if alert.wake_at_ms is None or alert.wake_at_ms > at_ms:
        return None
    back = replace(alert, shelved_until_ms=None, wake_at_ms=None)
    return _stepped(back, AlertStep.UNSHELVED, at_ms, reason=AlertReason.SHELF_OVER)


def _closed(alert: Alert, reason: AlertReason, at_ms: int, *, person: str | None = None) -> Transition:
    over = replace(alert, state=AlertState.CLOSED, closed_at_ms=at_ms, shelved_until_ms=None, wake_at_ms=None)
    return _stepped(over, AlertStep.CLOSED, at_ms, person=person, reason=reason)


def _stepped(
    alert: Alert,
    step: AlertStep,
    at_ms: int,
    *,
    person: str | None = None,
    reason: str | None = None,
    comment: str = "",
) -> Transition:
    entry = AlertLogEntry(alert=alert.id, at_ms=at_ms, step=step, person=person, reason=reason, comment=comment or None)
    return Transition(replace(alert, version=alert.version + 1), (entry,))


def _then(first: Transition, second: Transition) -> Transition:
    """Return both as one change of the row: one version further."""
    return Transition(replace(second.alert, version=first.alert.version), first.log + second.log)


def _require(alert: Alert, step: str) -> None:
    steps = legal(alert)
    if step not in steps:
        message = f"{step}: not possible while the alert is {alert.state}"
        raise IllegalTransitionError(message, legal=steps)


def _cancels(heard: LifeSafetyHeard) -> bool:
    return heard.event in CANCELLATIONS
