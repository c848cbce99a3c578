"""Rows ⇄ quarantined items."""

from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from hub.errors import ConflictError, NotFoundError
from hub.ingest.presenter import present_quarantined
from hub.ingest.quarantine import QuarantineItem, QuarantineState, Refused
from hub.storage.sql.prepared import Prepared, insertion
from hub.storage.sql.tables import quarantine
from protocols.rejections import MessageReason, Reason, RecordReason

_COUNT_AGAIN: Final = Prepared(
    update(quarantine)
    .where(
        quarantine.c.site == bindparam("of_site"),
        quarantine.c.node == bindparam("of_node"),
        quarantine.c.raw_hash == bindparam("of_hash"),
    )
    .values(count=quarantine.c.count + 1)
    .returning(quarantine.c.id)
)
_HOLD: Final = insertion(quarantine)
_GET: Final = Prepared(select(quarantine).where(quarantine.c.id == bindparam("quarantine_id")))


class SqlQuarantine:
    """The quarantine in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def hold(self, refused: Refused, quarantine_id: str) -> tuple[str, bool]:
        """Hold what was refused; a message already there by its hash is counted.

        Returns the id and whether it is new.
        """
        if refused.raw_hash is not None:
            names = {"of_site": refused.site, "of_node": refused.node, "of_hash": refused.raw_hash}
            known = _COUNT_AGAIN.scalar(self._connection, names)
            if known is not None:
                return str(known), False
        _HOLD.write(
            self._connection,
            {
                "id": quarantine_id,
                "received_at_ms": refused.received_ms,
                "site": refused.site,
                "node": refused.node,
                "lane": refused.lane,
                "epoch": refused.epoch,
                "seq": refused.seq,
                "reason": refused.reason.value,
                "detail": refused.detail[:1000],
                "raw": refused.raw,
                "raw_hash": refused.raw_hash,
                "header": refused.header,
                "count": 1,
                "state": QuarantineState.HELD.value,
                "decided_by": None,
                "decided_at_ms": None,
                "comment": None,
            },
        )
        return quarantine_id, True

    def get(self, quarantine_id: str) -> QuarantineItem:
        """Return an item; raises NotFoundError."""
        row = _GET.first(self._connection, {"quarantine_id": quarantine_id})
        if row is None:
            message = f"there is no quarantined item {quarantine_id}"
            raise NotFoundError(message)
        return _item(row)

    def item(self, quarantine_id: str) -> dict[str, Any] | None:
        """Return an item as the REST contract shows it, None where there is none."""
        row = _GET.first(self._connection, {"quarantine_id": quarantine_id})
        return None if row is None else present_quarantined(_item(row))

    def page(
        self,
        *,
        sites: list[str] | None,
        site: str | None = None,
        node: str | None = None,
        reason: str | None = None,
        state: str | None = None,
        limit: int = 200,
        before_id: str | None = None,
    ) -> list[QuarantineItem]:
        """Return items of the sites a caller may see (None: all), newest first."""
        query = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
        if sites is not None:
            query = query.where(quarantine.c.site.in_(sites))
        for column, wanted in ((quarantine.c.site, site), (quarantine.c.reason, reason), (quarantine.c.state, state)):
            if wanted is not None:
                query = query.where(column == wanted)
        if node is not None:
            query = query.where(quarantine.c.node == node)
        if before_id is not None:
            query = query.where(quarantine.c.id < before_id)
        return [_item(row) for row in self._connection.execute(query)]

    def decide(
        self, quarantine_id: str, state: QuarantineState, *, by: str | None, at_ms: int, comment: str
    ) -> QuarantineItem:
        """Record a person's decision; raises ConflictError where one was taken before."""
        changed = self._connection.execute(
            update(quarantine)
            .where(quarantine.c.id == quarantine_id, quarantine.c.state == QuarantineState.HELD.value)
            .values(state=state.value, decided_by=by, decided_at_ms=at_ms, comment=comment)
        )
        item = self.get(quarantine_id)
        if changed.rowcount != 1:
            message = f"the item is {item.state} already"
            raise ConflictError(message)
        return item


def _item(row: Any) -> QuarantineItem:
    return QuarantineItem(
        id=row.id,
        refused=Refused(
            received_ms=row.received_at_ms,
            site=row.site,
            node=row.node,
            lane=row.lane,
            epoch=row.epoch,
            seq=row.seq,
            reason=_reason(row.reason),
            detail=row.detail,
            raw=row.raw,
            raw_hash=row.raw_hash,
            header=row.header,
        ),
        count=row.count,
        state=QuarantineState(row.state),
        decided_by=row.decided_by,
        decided_at_ms=row.decided_at_ms,
        comment=row.comment,
    )


def _reason(name: str) -> Reason:
    try:
        return RecordReason(name)
    except ValueError:
        return MessageReason(name)
