"""Rows ⇄ rule states and their deadlines."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, text, update

from hub.ingest.deadlines import Deadlines, Sleeper, Wake
from hub.rules.facility import FacilityState
from hub.rules.node import NodeState
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.rows import Upsert
from hub.storage.sql.tables import alerts, facility_states, node_states, work_orders

_SAVE_FACILITY: Final = Upsert(facility_states)
_SAVE_NODE: Final = Upsert(node_states, keep=("status",))
_SAVE_STATUS: Final = Prepared(
    text(
        "INSERT INTO node_states (node, state, status, wake_at_ms) VALUES (:node, :state, :status, NULL) "
        "ON CONFLICT (node) DO UPDATE SET status = excluded.status"
    )
)
_DUE_FACILITIES: Final = Prepared(
    select(facility_states.c.facility)
    .where(facility_states.c.wake_at_ms <= bindparam("now_ms"))
    .order_by(facility_states.c.wake_at_ms)
    .limit(bindparam("at_most"))
)
_DUE_NODES: Final = Prepared(
    select(node_states.c.node)
    .where(node_states.c.wake_at_ms <= bindparam("now_ms"))
    .order_by(node_states.c.wake_at_ms)
    .limit(bindparam("at_most"))
)
_WAKES: Final = (facility_states.c.wake_at_ms, node_states.c.wake_at_ms, alerts.c.wake_at_ms, work_orders.c.wake_at_ms)
_EARLIEST: Final = Prepared(
    select(*(select(func.min(column)).scalar_subquery().label(column.table.name) for column in _WAKES))
)
_EARLIEST_NODE: Final = Prepared(select(func.min(node_states.c.wake_at_ms)))
_NEXT_FACILITIES: Final = Prepared(
    select(facility_states.c.wake_at_ms, facility_states.c.facility)
    .where(facility_states.c.wake_at_ms.is_not(None))
    .order_by(facility_states.c.wake_at_ms)
    .limit(bindparam("at_most"))
)
_NEXT_NODES: Final = Prepared(
    select(node_states.c.wake_at_ms, node_states.c.node)
    .where(node_states.c.wake_at_ms.is_not(None))
    .order_by(node_states.c.wake_at_ms)
    .limit(bindparam("at_most"))
)
_CHUNK: Final = 500


class SqlStates:
    """Rule states in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def load_facilities(self, facilities: Sequence[str]) -> dict[str, FacilityState]:
        """Return the states that exist."""
        found: dict[str, FacilityState] = {}
        for start in range(0, len(facilities), _CHUNK):
            wanted = facilities[start : start + _CHUNK]
            rows = self._connection.execute(
                select(facility_states.c.facility, facility_states.c.state).where(
                    facility_states.c.facility.in_(wanted)
                )
            )
            found.update((row.facility, FacilityState.decode(row.state)) for row in rows)
        return found

    def save_facilities(self, states: Mapping[str, FacilityState]) -> None:
        """Write states and deadlines."""
        rows = [(facility, state.encode(), state.wake_at_ms) for facility, state in states.items()]
        _SAVE_FACILITY.write(self._connection, rows)

    def load_nodes(self) -> dict[str, NodeState]:
        """Return the supervision of every node, by REST id."""
        rows = self._connection.execute(select(node_states.c.node, node_states.c.state))
        return {row.node: NodeState.decode(row.state) for row in rows}

    def save_nodes(self, states: Mapping[str, NodeState]) -> None:
        """Write supervision and deadlines."""
        rows = [(node, state.encode(), None, state.wake_at_ms) for node, state in states.items()]
        _SAVE_NODE.write(self._connection, rows)

    def save_status(self, node: str, status: str) -> None:
        """Keep what a node last said of itself."""
        _SAVE_STATUS.write(self._connection, {"node": node, "state": NodeState().encode(), "status": status})

    def statuses(self, nodes: Sequence[str]) -> dict[str, tuple[NodeState, str | None]]:
        """Return the supervision of nodes and what they last said of themselves (JSON)."""
        rows = self._connection.execute(select(node_states).where(node_states.c.node.in_(nodes)))
        return {row.node: (NodeState.decode(row.state), row.status) for row in rows}

    def due_facilities(self, at_ms: int, limit: int) -> list[str]:
        """Return facilities whose deadline has come."""
        due = _DUE_FACILITIES.all(self._connection, {"now_ms": at_ms, "at_most": limit})
        return [row.facility for row in due]

    def due_nodes(self, at_ms: int, limit: int) -> list[str]:
        """Return nodes whose deadline has come."""
        due = _DUE_NODES.all(self._connection, {"now_ms": at_ms, "at_most": limit})
        return [row.node for row in due]

    def wake_facilities(self, facilities: Iterable[str], at_ms: int) -> None:
        """Bring the deadline of facilities forward to `at_ms`."""
        wanted = list(facilities)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            self._connection.execute(
                update(facility_states).where(facility_states.c.facility.in_(chunk)).values(wake_at_ms=at_ms)
            )

    def wake_site_facilities(self, site: str, at_ms: int) -> None:
        """Bring the deadlines of a site's facilities that lie after `at_ms` forward to it."""
        mine = facility_states.c.facility.startswith(f"{site}.", autoescape=True)
        self._connection.execute(
            update(facility_states).where(mine, facility_states.c.wake_at_ms > at_ms).values(wake_at_ms=at_ms)
        )

    def wake_scope(self, site: str, at_ms: int) -> None:
        """Bring every deadline of a site forward: its rules changed."""
        prefix = f"{site}."
        for table, key in ((facility_states, facility_states.c.facility), (node_states, node_states.c.node)):
            self._connection.execute(
                update(table).where(key.startswith(prefix, autoescape=True)).values(wake_at_ms=at_ms)
            )

    def earliest_wake_ms(self) -> int | None:
        """Return the earliest deadline of facilities, nodes, alerts and orders."""
        wakes = _EARLIEST.first(self._connection) or ()
        return min((wake for wake in wakes if wake is not None), default=None)

    def earliest_node_wake_ms(self) -> int | None:
        """Return the earliest deadline of nodes."""
        return _EARLIEST_NODE.scalar(self._connection)

    def deadlines(self, at_most: int) -> Deadlines:
        """Return the earliest deadlines, so many of facilities and of nodes."""
        earliest = _EARLIEST.first(self._connection)
        others = [] if earliest is None else [earliest.alerts, earliest.work_orders]
        wakes: list[Wake] = []
        for sleeper, statement in ((Sleeper.FACILITY, _NEXT_FACILITIES), (Sleeper.NODE, _NEXT_NODES)):
            found = statement.all(self._connection, {"at_most": at_most})
            wakes += [Wake(wake_at_ms, sleeper, name) for wake_at_ms, name in found]
            if len(found) == at_most:
                others.append(found[-1][0])
        return Deadlines(wakes, others_ms=min((wake for wake in others if wake is not None), default=None))
