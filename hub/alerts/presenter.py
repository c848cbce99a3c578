"""Alerts as the REST contract and the event stream show them (`rest.md` §4)."""

from typing import Any

from hub.alerts.alert import Alert, AlertLogEntry
from protocols.instant import format_known_ms, format_ms


def present_alert(alert: Alert) -> dict[str, Any]:
    """Return the item of an alert, ready for JSON."""
    return {
        "id": alert.id,
        "version": alert.version,
        "site": alert.subject.site,
        "facility": alert.subject.facility,
        "node": alert.subject.node,
        "fault_code": alert.fault_code.value,
        "severity": alert.severity.value,
        "colour": alert.colour.value,
        "state": alert.state.value,
        "reason": str(alert.reason),
        "value": alert.value,
        "refs": list(alert.refs),
        "late": alert.late,
        "fired_at": format_ms(alert.fired_at_ms),
        "acknowledged_at": format_known_ms(alert.acknowledged_at_ms),
        "acknowledged_by": alert.acknowledged_by,
        "resolved_at": format_known_ms(alert.resolved_at_ms),
        "closed_at": format_known_ms(alert.closed_at_ms),
        "outcome": None if alert.outcome is None else alert.outcome.value,
        "assignee": alert.assignee,
        "shelved_until": format_known_ms(alert.shelved_until_ms),
        "suppressed_by": alert.suppressed_by,
        "work_order": alert.work_order,
    }


def present_alert_log(entry: AlertLogEntry) -> dict[str, Any]:
    """Return one line of an alert's log, ready for JSON."""
    return {
        "at": format_ms(entry.at_ms),
        "step": entry.step.value,
        "person": entry.person,
        "reason": entry.reason,
        "comment": entry.comment,
    }
