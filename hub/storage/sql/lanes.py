"""Rows ⇄ lanes, epochs and gaps."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, select, tuple_, update

from hub.ingest.lane import LaneState, Outcome, TakenGap
from hub.ingest.ledger import GapItem, LaneItem
from hub.ingest.ports import EpochEntry
from hub.storage.sql.prepared import Prepared, insertion
from hub.storage.sql.rows import Upsert, document
from hub.storage.sql.tables import epochs, gaps, lane_ahead, lanes
from hub.telemetry.point import LaneKey
from protocols.lanes import Lane

_SAVE: Final = Upsert(lanes, add=("stored", "quarantined", "gaps", "duplicates", "left_out"), keep=("closed_at_ms",))
_SAVE_EPOCH: Final = Upsert(epochs, keep=("number", "first_contact_ms"))
_KEEP_AHEAD: Final = insertion(lane_ahead)
_PASS: Final = Prepared(
    delete(lane_ahead).where(
        *(column == bindparam(f"of_{column.name}") for column in lane_ahead.columns if column.primary_key)
    )
)
_ADD_GAP: Final = insertion(gaps)
_EPOCHS: Final = Prepared(
    select(epochs)
    .where(epochs.c.site == bindparam("of_site"), epochs.c.node == bindparam("of_node"))
    .order_by(epochs.c.number)
)
_CHUNK: Final = 200
"""Keys in one statement: SQLite takes 32 766 variables, four a key."""


class SqlLanes:
    """Lanes in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def load(self, keys: Sequence[LaneKey]) -> dict[LaneKey, LaneState]:
        """Return the lanes that exist, with what was handled ahead of a hole."""
        found: dict[LaneKey, LaneState] = {}
        for start in range(0, len(keys), _CHUNK):
            wanted = [(key.site, key.node, key.epoch, key.lane.value) for key in keys[start : start + _CHUNK]]
            columns = (lanes.c.site, lanes.c.node, lanes.c.epoch, lanes.c.lane)
            for row in self._connection.execute(select(lanes).where(tuple_(*columns).in_(wanted))):
                key = LaneKey(row.site, row.node, row.epoch, Lane(row.lane))
                found[key] = LaneState(key, row.high_water, row.hello_next, row.last_at_ms)
            ahead = (lane_ahead.c.site, lane_ahead.c.node, lane_ahead.c.epoch, lane_ahead.c.lane)
            for row in self._connection.execute(select(lane_ahead).where(tuple_(*ahead).in_(wanted))):
                key = LaneKey(row.site, row.node, row.epoch, Lane(row.lane))
                found.setdefault(key, LaneState(key)).ahead[row.seq] = Outcome(row.outcome)
        return found

    def save(self, before: Mapping[LaneKey, LaneState], states: Iterable[LaneState]) -> None:
        """Write where lanes stand now and add their counts."""
        rows: list[tuple[Any, ...]] = []
        for state in states:
            key, counts = state.key, state.counts
            rows.append(
                (
                    key.site,
                    key.node,
                    key.epoch,
                    key.lane.value,
                    state.high_water,
                    counts.stored,
                    counts.quarantined,
                    counts.gaps,
                    counts.duplicates,
                    counts.left_out,
                    state.hello_next,
                    state.last_at_ms,
                    None,
                )
            )
            former = before.get(key)
            if former is not None and (former.ahead or state.ahead) and former.ahead != state.ahead:
                self._save_ahead(key, former.ahead, state.ahead)
        _SAVE.write(self._connection, rows)

    def add_gap(self, key: LaneKey, gap: TakenGap, recorded_at_ms: int) -> None:
        """Record a declared loss."""
        _ADD_GAP.write(
            self._connection,
            {
                "site": key.site,
                "node": key.node,
                "epoch": key.epoch,
                "lane": key.lane.value,
                "from_seq": gap.from_seq,
                "to_seq": gap.to_seq,
                "reason": gap.reason.value,
                "recorded_at_ms": recorded_at_ms,
            },
        )

    def epochs(self, site: str, node: str) -> list[EpochEntry]:
        """Return a node's epochs, oldest first."""
        rows = _EPOCHS.all(self._connection, {"of_site": site, "of_node": node})
        return [
            EpochEntry(row.epoch, row.number, row.boot, tuple(json.loads(row.past_boots)), cloned=bool(row.cloned))
            for row in rows
        ]

    def save_epoch(self, site: str, node: str, entry: EpochEntry, first_contact_ms: int) -> None:
        """Insert or update an epoch."""
        past_boots = document(entry.past_boots)
        row = (site, node, entry.epoch, entry.number, entry.boot, past_boots, entry.cloned, first_contact_ms)
        _SAVE_EPOCH.write(self._connection, [row])

    def close_older(self, site: str, node: str, lane: str, number: int, at_ms: int) -> list[tuple[LaneKey, int]]:
        """Close the open lanes of epochs before `number`; return them with their losses."""
        older = select(epochs.c.epoch).where(epochs.c.site == site, epochs.c.node == node, epochs.c.number < number)
        where = (
            lanes.c.site == site,
            lanes.c.node == node,
            lanes.c.lane == lane,
            lanes.c.closed_at_ms.is_(None),
            lanes.c.epoch.in_(older),
        )
        rows = self._connection.execute(select(lanes).where(*where)).all()
        if rows:
            self._connection.execute(update(lanes).where(*where).values(closed_at_ms=at_ms))
        return [(LaneKey(site, node, row.epoch, Lane(row.lane)), _loss(row)) for row in rows]

    def move_released(self, key: LaneKey) -> None:
        """Move one record of the lane from quarantined to stored."""
        self._connection.execute(
            update(lanes)
            .where(
                lanes.c.site == key.site,
                lanes.c.node == key.node,
                lanes.c.epoch == key.epoch,
                lanes.c.lane == key.lane.value,
            )
            .values(quarantined=lanes.c.quarantined - 1, stored=lanes.c.stored + 1)
        )

    def items(self, site: str, node: str) -> list[LaneItem]:
        """Return a node's lanes, newest epoch first."""
        rows = self._connection.execute(
            select(lanes)
            .join(
                epochs,
                (epochs.c.site == lanes.c.site) & (epochs.c.node == lanes.c.node) & (epochs.c.epoch == lanes.c.epoch),
            )
            .where(lanes.c.site == site, lanes.c.node == node)
            .order_by(epochs.c.number.desc(), lanes.c.lane)
        )
        return [
            LaneItem(
                epoch=row.epoch,
                lane=row.lane,
                high_water=row.high_water,
                produced=max(row.high_water, (row.hello_next or 1) - 1),
                stored=row.stored,
                quarantined=row.quarantined,
                gaps=row.gaps,
                duplicates=row.duplicates,
                closed_at_ms=row.closed_at_ms,
                loss=_loss(row) if row.closed_at_ms is not None else 0,
            )
            for row in rows
        ]

    def gap_items(self, site: str, node: str, *, limit: int, before_id: int | None = None) -> list[GapItem]:
        """Return a node's declared losses, newest first."""
        query = select(gaps).where(gaps.c.site == site, gaps.c.node == node).order_by(gaps.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(gaps.c.id < before_id)
        return [
            GapItem(row.id, row.epoch, row.lane, row.from_seq, row.to_seq, row.reason, row.recorded_at_ms)
            for row in self._connection.execute(query)
        ]

    def residual(self) -> int:
        """Return Σ |high water - stored - quarantined - gaps| over all lanes: 0, always."""
        total = func.sum(func.abs(lanes.c.high_water - lanes.c.stored - lanes.c.quarantined - lanes.c.gaps))
        return int(self._connection.execute(select(total)).scalar() or 0)

    def awaited(self, lane: Lane) -> int:
        """Return Σ (next - 1 - high water) over the open lanes of a kind: what edges hold, or lies behind holes."""
        total = func.sum(lanes.c.hello_next - 1 - lanes.c.high_water)
        where = (
            lanes.c.lane == lane.value,
            lanes.c.closed_at_ms.is_(None),
            lanes.c.hello_next - 1 > lanes.c.high_water,
        )
        return int(self._connection.execute(select(total).where(*where)).scalar() or 0)

    def _save_ahead(self, key: LaneKey, before: Mapping[int, Outcome], after: Mapping[int, Outcome]) -> None:
        names = {"site": key.site, "node": key.node, "epoch": key.epoch, "lane": key.lane.value}
        gone = [{f"of_{name}": value for name, value in {**names, "seq": seq}.items()} for seq in before.keys() - after]
        new = [{**names, "seq": seq, "outcome": outcome.value} for seq, outcome in after.items() if seq not in before]
        if gone:
            _PASS.write_many(self._connection, gone)
        if new:
            _KEEP_AHEAD.write_many(self._connection, new)


def _loss(row: Any) -> int:
    return max(0, (row.hello_next or 1) - 1 - row.high_water)
