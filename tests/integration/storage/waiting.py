"""Rows that wait in the state database: two of each that the doctor counts, one of each that it must not count."""

from typing import Any, Final

from sqlalchemy import Engine

from hub.alerts.alert import AlertState
from hub.ingest.quarantine import QuarantineState, Refused
from hub.notification.outbox import NotificationState
from hub.storage.sql.inspection import DAY_MS, PATIENCE_MS
from hub.storage.sql.quarantine import SqlQuarantine
from hub.vocabulary import FaultCode, Subject
from protocols.rejections import MessageReason
from tests.contract.loop.stores import NODE, SOS, SqlRepositories, alert, row

BAND: Final = Subject("demo", facility="demo.band-07")
OTHER_BAND: Final = Subject("demo", facility="demo.band-08")
GATE: Final = Subject("demo", node="demo.gate")


def put_what_waits(engine: Engine, *, at_ms: int) -> None:
    """Write the rows, as they wait at that time."""
    with engine.begin() as connection:
        stores, quarantine = SqlRepositories(connection), SqlQuarantine(connection)
        states = (
            (BAND, SOS, AlertState.FIRING),
            (OTHER_BAND, SOS, AlertState.FIRING),
            (BAND, FaultCode.FALL_DETECTED, AlertState.ACKNOWLEDGED),
            (OTHER_BAND, FaultCode.FALL_DETECTED, AlertState.CLOSED),
            (NODE, FaultCode.NODE_OFFLINE, AlertState.FIRING),
            (GATE, FaultCode.NODE_OFFLINE, AlertState.RESOLVED),
            (BAND, FaultCode.BATTERY_LOW, AlertState.FIRING),
        )
        for number, (subject, code, state) in enumerate(states):
            stores.alerts.add(alert(number, subject=subject, code=code, state=state))
        pending, failed, sent = NotificationState.PENDING, NotificationState.FAILED, NotificationState.SENT
        leased = NotificationState.LEASED
        outbox: tuple[dict[str, Any], ...] = (
            {"state": pending, "next_attempt_ms": at_ms - PATIENCE_MS, "life_safety": True},
            {"state": pending, "next_attempt_ms": at_ms - PATIENCE_MS},
            {"state": pending, "next_attempt_ms": at_ms - PATIENCE_MS + 1, "life_safety": True},
            {"state": leased, "next_attempt_ms": None, "leased_until_ms": at_ms - PATIENCE_MS},
            {"state": leased, "next_attempt_ms": None, "leased_until_ms": at_ms - PATIENCE_MS + 1},
            {"state": sent, "next_attempt_ms": None},
            {"state": failed, "next_attempt_ms": None, "created_at_ms": at_ms - DAY_MS},
            {"state": failed, "next_attempt_ms": None, "created_at_ms": at_ms - 1},
            {"state": failed, "next_attempt_ms": None, "created_at_ms": at_ms - DAY_MS - 1},
        )
        stores.notifications.add(*(row(number, **known) for number, known in enumerate(outbox)))
        for number in range(3):
            refused = Refused(
                received_ms=at_ms,
                site="demo",
                node="pi-1",
                lane="telemetry",
                epoch=None,
                seq=None,
                reason=MessageReason.MALFORMED_JSON,
                detail="no JSON",
                raw=b"{",
            )
            quarantine.hold(refused, f"01JQ{number:022d}")
        quarantine.decide("01JQ" + "0" * 22, QuarantineState.DISCARDED, by=None, at_ms=at_ms, comment="")
