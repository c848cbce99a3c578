"""What each input does to a work order: pure steps `(order, input, at) → Transition`, every one with its reason.

A crew reports, the sensors prove: only proof, or for life safety a person, closes an order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hub.errors import IllegalTransitionError, InvalidError
from hub.events import WorkOrderChanged
from hub.vocabulary import Colour, Fault, FaultCode, Skill, Subject
from hub.workorders.assignment import Choice
from hub.workorders.due import Due
from hub.workorders.order import REASSIGNABLE, OrderLogEntry, OrderReason, OrderState, OrderStep, WorkOrder
from hub.workorders.ports import Windows

_URGENCY: Final = (Colour.RED, Colour.YELLOW, Colour.BLUE)
_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Transition:
    """An order after an input, and what happened to it, in order."""

    order: WorkOrder
    log: tuple[OrderLogEntry, ...]

    @property
    def events(self) -> tuple[WorkOrderChanged, ...]:
        """The log as domain events."""
        order = self.order
        return tuple(
            WorkOrderChanged(
                work_order_id=order.id,
                subject=order.subject,
                fault_class=order.fault_class,
                step=entry.step,
                at_ms=entry.at_ms,
            )
            for entry in self.log
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an order is opened for: the alert, its subject and fault."""

    alert: str
    subject: Subject
    fault_code: FaultCode
    fault: Fault
    skill: Skill


def open_order(job: Job, *, order_id: str, choice: Choice, due: Due, at_ms: int) -> Transition:
    """Begin the life of an order: assigned where a crew can do it, else open."""
    order = WorkOrder(
        id=order_id,
        subject=job.subject,
        fault_code=job.fault_code,
        fault_class=job.fault.fault_class,
        alerts=(job.alert,),
        state=OrderState.OPEN if choice.crew is None else OrderState.ASSIGNED,
        reason=choice.reason,
        skill=job.skill,
        crew=choice.crew,
        colour=job.fault.colour,
        opened_at_ms=at_ms,
        response_due_at_ms=due.response_ms,
        resolution_due_at_ms=due.resolution_ms,
    )
    step = OrderStep.OPENED if choice.crew is None else OrderStep.ASSIGNED
    return Transition(order, (_entry(order, step, at_ms, reason=choice.reason, parameters=choice.parameters),))


def join(order: WorkOrder, job: Job, *, due: Due, at_ms: int) -> Transition:
    """Take a further alert in; a more urgent one brings its colour and its deadlines, where those come sooner."""
    joined = replace(order, alerts=(*(known for known in order.alerts if known != job.alert), job.alert))
    if _URGENCY.index(job.fault.colour) < _URGENCY.index(order.colour):
        joined = replace(
            joined,
            colour=job.fault.colour,
            response_due_at_ms=min(order.response_due_at_ms, due.response_ms),
            resolution_due_at_ms=min(order.resolution_due_at_ms, due.resolution_ms),
        )
    parameters = {"alert": job.alert, "fault_code": job.fault_code.value}
    return _stepped(joined, OrderStep.JOINED, at_ms, reason=OrderReason.FURTHER_ALERT, keep=True, parameters=parameters)


def assign(order: WorkOrder, *, crew: str, person: str, at_ms: int, comment: str = "") -> Transition:
    """Give it to a crew, also from another one, until it is reported done."""
    if order.state not in REASSIGNABLE:
        raise _illegal(order, "assign")
    given = replace(_unheld(order), state=OrderState.ASSIGNED, crew=crew, accepted_at_ms=None, accepted_by=None)
    return _stepped(
        given,
        OrderStep.ASSIGNED,
        at_ms,
        reason=OrderReason.ASSIGNED_BY_PERSON,
        person=person,
        comment=comment,
        parameters={"crew": crew},
    )


def accept(order: WorkOrder, *, person: str, at_ms: int, comment: str = "") -> Transition:
    """The crew takes it."""
    _require(order, "accept")
    taken = replace(order, state=OrderState.ACCEPTED, accepted_at_ms=at_ms, accepted_by=person)
    return _stepped(
        taken, OrderStep.ACCEPTED, at_ms, reason=OrderReason.ACCEPTED_BY_CREW, person=person, comment=comment
    )


def arrive(order: WorkOrder, *, person: str, at_ms: int, comment: str = "") -> Transition:
    """The crew is there."""
    _require(order, "arrive")
    there = replace(order, state=OrderState.ON_SITE)
    return _stepped(there, OrderStep.ARRIVED, at_ms, reason=OrderReason.CREW_ON_SITE, person=person, comment=comment)


def complete(
    order: WorkOrder,
    *,
    conditions_cleared: bool,
    windows: Windows | None,
    person: str,
    at_ms: int,
    note: str = "",
) -> Transition:
    """The crew reports it done; proof follows within the window, or is there already.

    `windows` is None where no sensor can prove it: a life-safety order stays done until a person closes its alerts.
    """
    _require(order, "complete")
    wake_at_ms = None if windows is None else at_ms + round(windows.verify_window_s * _MS)
    reported = replace(order, state=OrderState.DONE, done_at_ms=at_ms, wake_at_ms=wake_at_ms)
    done = _stepped(reported, OrderStep.DONE, at_ms, reason=OrderReason.REPORTED_DONE, person=person, comment=note)
    if windows is None or not conditions_cleared:
        return done
    return _then(done, _proven(done.order, OrderReason.PROOF_BY_SENSOR, at_ms))


def hold(order: WorkOrder, *, reason: str, resume_at_ms: int | None, person: str, at_ms: int) -> Transition:
    """Set it aside, with a reason, until resumed or until `resume_at_ms`."""
    _require(order, "hold")
    if not reason.strip():
        raise InvalidError(("reason", "must not be empty"))
    if resume_at_ms is not None and resume_at_ms <= at_ms:
        raise InvalidError(("resume_at", "must lie in the future"))
    held = replace(
        order,
        state=OrderState.ON_HOLD,
        state_before_hold=order.state,
        resume_at_ms=resume_at_ms,
        wake_at_ms=resume_at_ms,
    )
    return _stepped(held, OrderStep.HELD, at_ms, reason=OrderReason.HELD_BY_PERSON, person=person, comment=reason)


def resume(order: WorkOrder, *, person: str, at_ms: int, comment: str = "") -> Transition:
    """Go on where it was held."""
    _require(order, "resume")
    return _stepped(
        _unheld(order),
        OrderStep.RESUMED,
        at_ms,
        reason=OrderReason.RESUMED_BY_PERSON,
        person=person,
        comment=comment,
    )


def cancel(order: WorkOrder, *, reason: str, person: str, at_ms: int) -> Transition:
    """Give it up, with a reason; its alerts stay."""
    _require(order, "cancel")
    if not reason.strip():
        raise InvalidError(("reason", "must not be empty"))
    given_up = replace(_unheld(order), state=OrderState.CANCELLED)
    return _stepped(
        given_up, OrderStep.CANCELLED, at_ms, reason=OrderReason.CANCELLED_BY_PERSON, person=person, comment=reason
    )


def reopen(order: WorkOrder, *, person: str, at_ms: int, comment: str = "") -> Transition:
    """Send the same crew again: it is not done."""
    _require(order, "reopen")
    return _reopened(order, OrderReason.REOPENED_BY_PERSON, at_ms, person=person, comment=comment)


def hear_proof(order: WorkOrder, *, at_ms: int) -> Transition | None:
    """Verify and close an order whose every condition is proven gone; None where it is over or no sensor decides."""
    if order.over or order.life_safety:
        return None
    return _proven(order, _PROOF_REASONS.get(order.state, OrderReason.PROOF_WITHOUT_REPORT), at_ms)


def hear_alerts_closed(order: WorkOrder, *, at_ms: int) -> Transition | None:
    """Close a life-safety order when persons have closed all its alerts."""
    if order.over or not order.life_safety:
        return None
    closed = replace(_unheld(order), state=OrderState.CLOSED, closed_at_ms=at_ms, wake_at_ms=None)
    return _stepped(closed, OrderStep.CLOSED, at_ms, reason=OrderReason.CLOSED_BY_PERSON)


def wake(order: WorkOrder, *, windows: Windows | None, at_ms: int) -> Transition | None:
    """Take the step whose time has come: a hold is over, a window passed without proof, a review without decision.

    `windows` is needed while the order waits for its proof; the parameters in force then set the review.
    """
    if order.wake_at_ms is None or order.wake_at_ms > at_ms:
        return None
    if order.state is OrderState.ON_HOLD:
        return _stepped(_unheld(order), OrderStep.RESUMED, at_ms, reason=OrderReason.HOLD_OVER)
    if order.state is OrderState.DONE and windows is not None:
        review_at_ms = at_ms + round(windows.review_s * _MS)
        doubted = replace(order, state=OrderState.UNVERIFIED, wake_at_ms=review_at_ms)
        return _stepped(doubted, OrderStep.UNVERIFIED, at_ms, reason=OrderReason.NO_PROOF_IN_WINDOW)
    if order.state is OrderState.UNVERIFIED:
        return _reopened(order, OrderReason.REVIEW_OVER, at_ms)
    return None


_PROOF_REASONS: Final[Mapping[OrderState, OrderReason]] = {
    OrderState.DONE: OrderReason.PROOF_BY_SENSOR,
    OrderState.UNVERIFIED: OrderReason.PROOF_BY_SENSOR_LATE,
    OrderState.REOPENED: OrderReason.PROOF_BY_SENSOR_LATE,
}


def _proven(order: WorkOrder, reason: OrderReason, at_ms: int) -> Transition:
    verified = _stepped(
        replace(_unheld(order), state=OrderState.VERIFIED, verified_at_ms=at_ms, wake_at_ms=None),
        OrderStep.VERIFIED,
        at_ms,
        reason=reason,
    )
    closed = replace(verified.order, state=OrderState.CLOSED, closed_at_ms=at_ms)
    return _then(verified, _stepped(closed, OrderStep.CLOSED, at_ms, reason=reason))


def _reopened(
    order: WorkOrder, reason: OrderReason, at_ms: int, *, person: str | None = None, comment: str = ""
) -> Transition:
    again = replace(
        order,
        state=OrderState.REOPENED,
        accepted_at_ms=None,
        accepted_by=None,
        done_at_ms=None,
        wake_at_ms=None,
    )
    return _stepped(again, OrderStep.REOPENED, at_ms, reason=reason, person=person, comment=comment)


def _unheld(order: WorkOrder) -> WorkOrder:
    if order.state is not OrderState.ON_HOLD or order.state_before_hold is None:
        return order
    return replace(order, state=order.state_before_hold, state_before_hold=None, resume_at_ms=None, wake_at_ms=None)


def _stepped(
    order: WorkOrder,
    step: OrderStep,
    at_ms: int,
    *,
    reason: OrderReason,
    keep: bool = False,
    person: str | None = None,
    comment: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> Transition:
    """Return the order one version further, with the reason of its state; `keep` where the state is not touched."""
    entry = _entry(order, step, at_ms, reason=reason, person=person, comment=comment, parameters=parameters)
    kept = order.reason if keep else reason
    return Transition(replace(order, version=order.version + 1, reason=kept), (entry,))


def _entry(
    order: WorkOrder,
    step: OrderStep,
    at_ms: int,
    *,
    reason: OrderReason,
    person: str | None = None,
    comment: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> OrderLogEntry:
    return OrderLogEntry(
        work_order=order.id,
        at_ms=at_ms,
        step=step,
        person=person,
        reason=reason,
        comment=comment or None,
        parameters=parameters or {},
    )


def _then(first: Transition, second: Transition) -> Transition:
    """Return both as one change of the row: one version further."""
    return Transition(replace(second.order, version=first.order.version), first.log + second.log)


def _require(order: WorkOrder, step: str) -> None:
    if step not in order.legal:
        raise _illegal(order, step)


def _illegal(order: WorkOrder, step: str) -> IllegalTransitionError:
    message = f"{step}: not possible while the order is {order.state}"
    return IllegalTransitionError(message, legal=order.legal)
