"""Rows ⇄ events of devices."""

import json
from typing import Any, Final

from sqlalchemy import Connection, select, text

from hub.ingest.ports import DeviceEvent
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.rows import document
from hub.storage.sql.tables import device_events

_ADD: Final = Prepared(
    text(
        "INSERT INTO device_events "
        "(site, facility, node, device, event, ref, at_ms, time_source, received_at_ms, quality, details) VALUES "
        "(:site, :facility, :node, :device, :event, :ref, :at_ms, :time_source, :received_at_ms, :quality, :details) "
        "ON CONFLICT (site, device, event, ref) DO NOTHING"
    )
)


class SqlDeviceEvents:
    """Events in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(self, event: DeviceEvent) -> bool:
        """Store an event; False where the same fact is stored already."""
        added = _ADD.write(
            self._connection,
            {
                "site": event.site,
                "facility": event.facility,
                "node": event.node,
                "device": event.device,
                "event": event.event,
                "ref": event.ref,
                "at_ms": event.at_ms,
                "time_source": event.time_source,
                "received_at_ms": event.received_ms,
                "quality": event.quality,
                "details": document(event.details),
            },
        )
        return added == 1

    def page(
        self, facility: str, *, from_ms: int | None, to_ms: int | None, limit: int, before_id: int | None = None
    ) -> list[tuple[int, DeviceEvent]]:
        """Return a facility's events in [from, to), newest first, with their row ids."""
        query = select(device_events).where(device_events.c.facility == facility)
        if from_ms is not None:
            query = query.where(device_events.c.at_ms >= from_ms)
        if to_ms is not None:
            query = query.where(device_events.c.at_ms < to_ms)
        if before_id is not None:
            query = query.where(device_events.c.id < before_id)
        query = query.order_by(device_events.c.id.desc()).limit(limit)
        return [(row.id, _event(row)) for row in self._connection.execute(query)]


def _event(row: Any) -> DeviceEvent:
    return DeviceEvent(
        site=row.site,
        facility=row.facility,
        node=row.node,
        device=row.device,
        event=row.event,
        ref=row.ref,
        at_ms=row.at_ms,
        time_source=row.time_source,
        received_ms=row.received_at_ms,
        quality=row.quality,
        details=json.loads(row.details),
    )
