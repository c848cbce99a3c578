"""A look at the state database from beside the hub: schema, integrity, queue depths; it only reads."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, and_, func, or_, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hub.alerts.alert import AlertState
from hub.errors import StorageError
from hub.ingest.quarantine import QuarantineState
from hub.notification.outbox import NotificationState
from hub.storage.sql.migrate import require_current, revisions
from hub.storage.sql.tables import alerts, notifications, quarantine
from hub.vocabulary import FAULTS, FaultCode

PATIENCE_MS: Final = 60_000
"""A message that is due for longer is not being sent."""
DAY_MS: Final = 86_400_000


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


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite database, None for another."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def shown(url: str) -> str:
    """Return the address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def look_at_schema(engine: Engine) -> tuple[str | None, str | None]:
    """Return the revision there and the one this release wants; StorageError where it cannot be read."""
    try:
        return revisions(engine.execution_options(linli_read_only=True))
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(_said(error)) from error


def look_for_damage(engine: Engine) -> str | None:
    """Read a SQLite database through; return what is damaged, None where nothing is."""
    try:
        with engine.execution_options(linli_read_only=True).begin() as connection:
            said = str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
    except (SQLAlchemyError, sqlite3.Error) as error:
        return _said(error)
    return None if said == "ok" else said


def read_queues(engine: Engine, *, at_ms: Callable[[], int]) -> Queues:
    """Count what waits, at the hub's time; StorageError where the database cannot be asked."""
    reading = engine.execution_options(linli_read_only=True)
    try:
        require_current(reading)
        now_ms = at_ms()
        with reading.begin() as connection:
            return _count(connection, at_ms=now_ms)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(_said(error)) from error


def _said(error: SQLAlchemyError | sqlite3.Error) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _count(connection: Connection, *, at_ms: int) -> Queues:
    long_ms = at_ms - PATIENCE_MS
    late = (
        select(notifications.c.life_safety, func.count())
        .where(
            or_(
                and_(
                    notifications.c.state == NotificationState.PENDING.value, notifications.c.next_attempt_ms <= long_ms
                ),
                # Whoever held it has died since: nobody sends it.
                and_(
                    notifications.c.state == NotificationState.LEASED.value, notifications.c.leased_until_ms <= long_ms
                ),
            )
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
