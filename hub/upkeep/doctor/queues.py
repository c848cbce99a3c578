"""What waits: notifications, quarantine, silent nodes, calls for help."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from hub.alerts.alert import AlertState
from hub.app import database_url, open_clock
from hub.errors import HubError
from hub.ingest.quarantine import QuarantineState
from hub.notification.outbox import NotificationState
from hub.settings import Settings
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import require_current
from hub.storage.sql.tables import alerts, notifications, quarantine
from hub.upkeep.doctor.finding import Finding, Verdict
from hub.vocabulary import FAULTS, FaultCode

PATIENCE_MS: Final = 60_000
"""A message that is due for longer is not being sent."""
DAY_MS: Final = 86_400_000
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The depths at one moment; instants in ms."""

    overdue: int
    overdue_for_life: int
    failed_in_a_day: int
    held: int
    silent: Sequence[str]
    calls: Sequence[str]
    """Calls for help that nobody has acknowledged: where."""
    calls_attended: int


def check_queues(settings: Settings) -> list[Finding]:
    """Count what waits; one line says so where the database cannot be asked."""
    try:
        engine = open_engine(database_url(settings))
    except HubError:
        return [Finding("queues", Verdict.SKIP, "the state database cannot be asked")]
    try:
        reading = engine.execution_options(linli_read_only=True)
        require_current(reading)
        with reading.begin() as connection:
            found = _count(connection, at_ms=open_clock(settings, engine).now_ms())
    except (HubError, SQLAlchemyError):
        return [Finding("queues", Verdict.SKIP, "the state database cannot be asked", "see its line")]
    finally:
        engine.dispose()
    return judge_queues(found)


def judge_queues(found: Queues) -> list[Finding]:
    """Judge the depths, what is about people first."""
    return [_calls(found), *_notifications(found), _quarantine(found), _silence(found)]


def _calls(found: Queues) -> Finding:
    if found.calls:
        detail = f"{len(found.calls)} unacknowledged: {_some(found.calls)}"
        remedy = "go there now, then acknowledge: linli-hub alerts list --state firing, or the page"
        return Finding("open SOS", Verdict.FAIL, detail, remedy)
    if found.calls_attended:
        detail = f"{found.calls_attended} acknowledged and not yet closed"
        return Finding("open SOS", Verdict.WARN, detail, "resolve and close each when the person is well")
    return Finding("open SOS", Verdict.OK, "none")


def _notifications(found: Queues) -> list[Finding]:
    due = Finding("notifications due", Verdict.OK, "none waits longer than a minute")
    if found.overdue:
        detail = f"{found.overdue} due for more than a minute, {found.overdue_for_life} of them for life-safety"
        remedy = "does the hub run? Can this machine reach the channels' addresses? The hub's log names each failure"
        verdict = Verdict.FAIL if found.overdue_for_life else Verdict.WARN
        due = Finding("notifications due", verdict, detail, remedy)
    failed = Finding("notifications failed", Verdict.OK, "none in a day")
    if found.failed_in_a_day:
        remedy = (
            "GET /api/v1/notifications?state=failed names target and cause; test each channel (docs/notifications.md)"
        )
        failed = Finding("notifications failed", Verdict.WARN, f"{found.failed_in_a_day} in a day", remedy)
    return [due, failed]


def _quarantine(found: Queues) -> Finding:
    if not found.held:
        return Finding("quarantine", Verdict.OK, "nothing is held")
    remedy = "linli-hub quarantine list --state held; mend the cause, then quarantine release or discard each"
    return Finding("quarantine", Verdict.WARN, f"{found.held} held", remedy)


def _silence(found: Queues) -> Finding:
    if not found.silent:
        return Finding("silent nodes", Verdict.OK, "none")
    remedy = "look at power and network of each; on the node: linli-edge check"
    return Finding("silent nodes", Verdict.WARN, f"{len(found.silent)}: {_some(found.silent)}", remedy)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(connection: Connection, *, at_ms: int) -> Queues:
    late = (
        select(notifications.c.life_safety, func.count())
        .where(
            notifications.c.state == NotificationState.PENDING.value,
            notifications.c.next_attempt_ms <= at_ms - PATIENCE_MS,
        )
        .group_by(notifications.c.life_safety)
    )
    overdue = {bool(for_life): int(count) for for_life, count in connection.execute(late)}
    failed = select(func.count()).where(
        notifications.c.state == NotificationState.FAILED.value, notifications.c.created_at_ms >= at_ms - DAY_MS
    )
    held = select(func.count()).where(quarantine.c.state == QuarantineState.HELD.value)
    codes = [code.value for code, fault in FAULTS.items() if fault.life_safety]
    opened = (
        select(alerts.c.fault_code, alerts.c.state, alerts.c.facility, alerts.c.node, alerts.c.site)
        .where(
            alerts.c.fault_code.in_([*codes, FaultCode.NODE_OFFLINE.value]),
            alerts.c.state != AlertState.CLOSED.value,
        )
        .order_by(alerts.c.id)
    )
    silent: list[str] = []
    calls: list[str] = []
    attended = 0
    for code, state, facility, node, site in connection.execute(opened):
        where = str(facility or node or site)
        if code not in codes:
            silent += [where] if state != AlertState.RESOLVED.value else []
        elif state == AlertState.FIRING.value:
            calls.append(where)
        else:
            attended += 1
    return Queues(
        overdue=sum(overdue.values()),
        overdue_for_life=overdue.get(True, 0),
        failed_in_a_day=int(connection.execute(failed).scalar_one()),
        held=int(connection.execute(held).scalar_one()),
        silent=silent,
        calls=calls,
        calls_attended=attended,
    )
