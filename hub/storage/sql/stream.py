"""Rows ⇄ events of the stream."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from hub.notification.stream import StreamEvent, StreamKind
from hub.storage.sql.prepared import Prepared, insertion
from hub.storage.sql.rows import document
from hub.storage.sql.tables import stream_events

_APPEND: Final = insertion(stream_events)
_LAST: Final = Prepared(select(func.max(stream_events.c.id).label("last")))


class SqlStream:
    """The events of the stream in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def append(self, event: StreamKind, item: Mapping[str, Any], *, site: str, at_ms: int) -> None:
        row = {"at_ms": at_ms, "site": site, "event": event.value, "data": document(item)}
        _APPEND.write(self._connection, row)

    def after(self, last_id: int, *, sites: frozenset[str] | None = None, limit: int = 200) -> Sequence[StreamEvent]:
        statement = select(stream_events).where(stream_events.c.id > last_id).order_by(stream_events.c.id).limit(limit)
        if sites is not None:
            statement = statement.where(stream_events.c.site.in_(sites))
        return [
            StreamEvent(row.id, row.at_ms, row.site, StreamKind(row.event), row.data)
            for row in self._connection.execute(statement)
        ]

    def last_id(self) -> int:
        return _LAST.scalar(self._connection) or 0

    def prune(self, before_ms: int) -> int:
        return self._connection.execute(delete(stream_events).where(stream_events.c.at_ms < before_ms)).rowcount
