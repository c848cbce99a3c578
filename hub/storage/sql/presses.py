"""Rows ⇄ life-safety records, and what their wearers are told."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from hub.alerts.alert import Press
from hub.alerts.lifecycle import MERGE_MS
from hub.alerts.ports import Fact, HeardPress
from hub.alerts.receipts import MOST_READ, PressProgress, fitting, receipt
from hub.storage.sql.prepared import Prepared, insertion
from hub.storage.sql.tables import alerts, people, sos_presses, work_orders
from hub.workorders.order import OrderState
from protocols.ack import SosReceipt

_ADD: Final = insertion(sos_presses)
_OF_ALERT: Final = Prepared(
    select(sos_presses).where(sos_presses.c.alert == bindparam("alert_id")).order_by(sos_presses.c.id)
)
_SAME: Final = (
    select(sos_presses.c.alert, sos_presses.c.at_ms)
    .where(
        sos_presses.c.site == bindparam("of_site"),
        sos_presses.c.ref == bindparam("of_ref"),
        sos_presses.c.event == bindparam("of_event"),
    )
    .order_by(sos_presses.c.id.desc())
    .limit(1)
)
_HEARD: Final = Prepared(_SAME.where(sos_presses.c.device == bindparam("of_device")))
_HEARD_OF_UNKNOWN: Final = Prepared(
    _SAME.where(
        sos_presses.c.device.is_(None),
        sos_presses.c.node == bindparam("of_node"),
        func.coalesce(sos_presses.c.said_device, "") == bindparam("of_said"),
    )
)
_HEARER, _TAKER = people.alias("hearer"), people.alias("taker")
_COMING: Final = and_(
    work_orders.c.id == alerts.c.work_order,
    work_orders.c.accepted_at_ms.is_not(None),
    work_orders.c.state != OrderState.CANCELLED.value,
)
_LISTED: Final = (
    select(
        sos_presses.c.id,
        sos_presses.c.event,
        sos_presses.c.device,
        sos_presses.c.said_device,
        sos_presses.c.ref,
        sos_presses.c.seq,
        sos_presses.c.received_at_ms,
        alerts.c.notified_at_ms,
        alerts.c.acknowledged_at_ms,
        alerts.c.closed_at_ms,
        work_orders.c.accepted_at_ms,
        _HEARER.c.display_name.label("heard_by"),
        _TAKER.c.display_name.label("taken_by"),
    )
    .join(alerts, alerts.c.id == sos_presses.c.alert)
    .outerjoin(work_orders, _COMING)
    .outerjoin(_HEARER, _HEARER.c.id == alerts.c.acknowledged_by)
    .outerjoin(_TAKER, _TAKER.c.id == work_orders.c.accepted_by)
    .where(
        sos_presses.c.site == bindparam("of_site"),
        sos_presses.c.node == bindparam("of_node"),
        sos_presses.c.seq.is_not(None),
        or_(alerts.c.closed_at_ms.is_(None), alerts.c.closed_at_ms > bindparam("closed_before_ms")),
    )
    .order_by(sos_presses.c.id.desc())
)
_NEWEST: Final = Prepared(_LISTED.limit(MOST_READ))
_LAST_OF_DEVICES: Final = Prepared(
    _LISTED.where(
        sos_presses.c.id.in_(
            select(func.max(sos_presses.c.id))
            .where(
                sos_presses.c.site == bindparam("of_site"),
                sos_presses.c.node == bindparam("of_node"),
                sos_presses.c.seq.is_not(None),
            )
            .group_by(sos_presses.c.device, sos_presses.c.said_device)
        )
    )
)


class SqlPresses:
    """The life-safety records in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(self, press: Press) -> None:
        _ADD.write(
            self._connection,
            {
                "alert": press.alert,
                "site": press.site,
                "node": press.node,
                "epoch": press.epoch,
                "seq": press.seq,
                "device": press.device,
                "event": press.event,
                "ref": press.ref,
                "at_ms": press.at_ms,
                "received_at_ms": press.received_at_ms,
                "said_device": press.said_device,
            },
        )

    def heard(self, fact: Fact) -> HeardPress | None:
        names = {"of_site": fact.site, "of_ref": fact.ref, "of_event": fact.event}
        if fact.device is None:
            names |= {"of_node": fact.node, "of_said": fact.said_device or ""}
            row = _HEARD_OF_UNKNOWN.first(self._connection, names)
        else:
            row = _HEARD.first(self._connection, names | {"of_device": fact.device})
        return None if row is None else HeardPress(row.alert, row.at_ms)

    def of_alert(self, alert_id: str) -> Sequence[Press]:
        rows = _OF_ALERT.all(self._connection, {"alert_id": alert_id})
        return [
            Press(
                alert=row.alert,
                site=row.site,
                node=row.node,
                epoch=row.epoch,
                seq=row.seq,
                device=row.device,
                event=row.event,
                ref=row.ref,
                at_ms=row.at_ms,
                received_at_ms=row.received_at_ms,
                said_device=row.said_device,
            )
            for row in rows
        ]

    def receipts(self, site: str, node: str, at_ms: int) -> list[SosReceipt]:
        """Return the stages of the node's presses, oldest first; of one that came twice, its newest seq."""
        names = {"of_site": site, "of_node": node, "closed_before_ms": at_ms - MERGE_MS}
        rows = _NEWEST.all(self._connection, names)
        if len(rows) == MOST_READ:
            rows += [row for row in _LAST_OF_DEVICES.all(self._connection, names) if row.id < rows[-1].id]
        newest = {(row.event, row.device, row.said_device, row.ref): row for row in reversed(rows)}
        return fitting([((row.device, row.said_device), receipt(_progress(row))) for row in newest.values()])


def _progress(row: Any) -> PressProgress:
    return PressProgress(
        ref=row.ref,
        seq=row.seq,
        received_at_ms=row.received_at_ms,
        notified_at_ms=row.notified_at_ms,
        acknowledged_at_ms=row.acknowledged_at_ms,
        acknowledged_by=row.heard_by,
        accepted_at_ms=row.accepted_at_ms,
        accepted_by=row.taken_by,
        closed_at_ms=row.closed_at_ms,
    )
