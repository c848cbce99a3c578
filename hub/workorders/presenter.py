"""Work orders as the REST contract and the event stream show them (`rest.md` §5)."""

from typing import Any

from hub.workorders.order import OrderLogEntry, WorkOrder
from protocols.instant import format_known_ms, format_ms


def present_order(order: WorkOrder) -> dict[str, Any]:
    """Return the item of a work order, ready for JSON."""
    return {
        "id": order.id,
        "version": order.version,
        "site": order.subject.site,
        "facility": order.subject.facility,
        "node": order.subject.node,
        "fault_code": order.fault_code.value,
        "fault_class": order.fault_class,
        "alerts": list(order.alerts),
        "state": order.state.value,
        "reason": order.reason.value,
        "skill": order.skill.value,
        "crew": order.crew,
        "colour": order.colour.value,
        "opened_at": format_ms(order.opened_at_ms),
        "response_due_at": format_ms(order.response_due_at_ms),
        "resolution_due_at": format_ms(order.resolution_due_at_ms),
        "accepted_at": format_known_ms(order.accepted_at_ms),
        "accepted_by": order.accepted_by,
        "done_at": format_known_ms(order.done_at_ms),
        "verified_at": format_known_ms(order.verified_at_ms),
        "closed_at": format_known_ms(order.closed_at_ms),
        "resume_at": format_known_ms(order.resume_at_ms),
        "legal": list(order.legal),
    }


def present_order_log(entry: OrderLogEntry) -> dict[str, Any]:
    """Return one line of a work order's log, ready for JSON."""
    return {
        "at": format_ms(entry.at_ms),
        "step": entry.step.value,
        "person": entry.person,
        "reason": None if entry.reason is None else entry.reason.value,
        "parameters": dict(entry.parameters),
        "comment": entry.comment,
    }
