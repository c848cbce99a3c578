"""Rows ⇄ quarantined items."""

from typing import Any, Final

from sqlalchemy import Connection, insert, select, text, update

from hub.errors import ConflictError, NotFoundError
from hub.ingest.presenter import present_quarantined
from hub.ingest.quarantine import QuarantineItem, QuarantineState, Refused
from hub.storage.sql.tables import quarantine
from protocols.rejections import MessageReason, Reason, RecordReason

_COUNT_AGAIN: Final = text(
    "UPDATE quarantine SET count = count + 1 WHERE site = :site AND node = :node AND raw_hash = :raw_hash RETURNING id"
)


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
            names = {"site": refused.site, "node": refused.node, "raw_hash": refused.raw_hash}
            known = self._connection.execute(_COUNT_AGAIN, names).scalar()
            if known is not None:
                return str(known), False
        self._connection.execute(
            insert(quarantine).values(
                id=quarantine_id,
                received_at_ms=refused.received_ms,
                site=refused.site,
                node=refused.node,
                lane=refused.lane,
                epoch=refused.epoch,
                seq=refused.seq,
                reason=refused.reason.value,
                detail=refused.detail[:1000],
                raw=refused.raw,
                raw_hash=refused.raw_hash,
                header=refused.header,
                count=1,
                state=QuarantineState.HELD.value,
            )
        )
        return quarantine_id, True

    def get(self, quarantine_id: str) -> QuarantineItem:
        """Return an item; raises NotFoundError."""
        row = self._connection.execute(select(quarantine).where(quarantine.c.id == quarantine_id)).one_or_none()
        if row is None:
            message = f"there is no quarantined item {quarantine_id}"
            raise NotFoundError(message)
        return _item(row)

    def item(self, quarantine_id: str) -> dict[str, Any] | None:
        """Return an item as the REST contract shows it, None where there is none."""
        row = self._connection.execute(select(quarantine).where(quarantine.c.id == quarantine_id)).one_or_none()
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
