"""Rows ⇄ what is registered, with its log of changes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from hub.devices.ports import EntityT
from hub.devices.presenter import present_node
from hub.devices.registry import Device, Entity, Facility, Grid, Node, Site
from hub.errors import ConflictError, HistoryError, StaleVersionError
from hub.rules.node import NodeState
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.rows import document
from hub.storage.sql.tables import (
    alerts,
    crews,
    device_events,
    devices,
    epochs,
    facilities,
    facility_states,
    gaps,
    grids,
    incidents,
    lanes,
    node_states,
    nodes,
    quarantine,
    registry_changes,
    sites,
    sos_presses,
    webhooks,
    work_orders,
)

_BY_ID: Final = {
    table: Prepared(select(table).where(table.c.id == bindparam("named")))
    for table in (sites, grids, facilities, nodes, devices)
}
_NODE_STATE: Final = Prepared(select(node_states.c.state).where(node_states.c.node == bindparam("named")))


@dataclass(frozen=True, slots=True)
class _Kind(Generic[EntityT]):
    """How entities of one kind are kept."""

    table: Table
    read: Callable[[Row[Any]], EntityT]
    write: Callable[[EntityT], Mapping[str, Any]]


class SqlRows(Generic[EntityT]):
    """The rows of one kind of entity."""

    def __init__(self, connection: Connection, kind: _Kind[EntityT]) -> None:
        """Work on one transaction."""
        self._connection = connection
        self._kind = kind
        self._table = kind.table

    def get(self, identifier: str, /) -> EntityT | None:
        row = _BY_ID[self._table].first(self._connection, {"named": identifier})
        return None if row is None else self._kind.read(row)

    def add(self, entity: EntityT, /) -> None:
        values = {"id": entity.id, "number": next_number(self._table), **self._values(entity)}
        try:
            self._connection.execute(insert(self._table).values(values))
        except IntegrityError as error:
            message = f"{entity.id} is taken"
            raise ConflictError(message) from error
        self._note(entity.id)

    def save(self, entity: EntityT, /) -> None:
        changed = self._connection.execute(
            update(self._table)
            .where(self._table.c.id == entity.id, self._table.c.version == entity.version - 1)
            .values(**self._values(entity))
        )
        if changed.rowcount != 1:
            message = f"somebody else changed {entity.id} first"
            raise StaleVersionError(message)
        self._note(entity.id)

    def remove(self, identifier: str, /) -> None:
        try:
            self._connection.execute(delete(self._table).where(self._table.c.id == identifier))
        except IntegrityError as error:
            message = f"something refers to {identifier}"
            raise HistoryError(message) from error
        self._note(identifier)

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        where: Mapping[str, str | None],
        retired: bool,
        before: int | None,
        limit: int,
    ) -> Sequence[tuple[int, EntityT]]:
        table = self._table
        query = select(table).order_by(table.c.number.desc()).limit(limit)
        query = query.where(table.c.retired_at_ms.is_not(None) if retired else table.c.retired_at_ms.is_(None))
        if sites is not None:
            query = query.where((table.c.id if "site" not in table.c else table.c.site).in_(sites))
        for name, wanted in where.items():
            if wanted is not None:
                query = query.where(table.c[name] == wanted)
        if before is not None:
            query = query.where(table.c.number < before)
        return [(row.number, self._kind.read(row)) for row in self._connection.execute(query)]

    def all_of(self, *where: ColumnElement[bool]) -> list[EntityT]:
        """Return those in service that meet the conditions."""
        query = select(self._table).where(self._table.c.retired_at_ms.is_(None), *where).order_by(self._table.c.number)
        return [self._kind.read(row) for row in self._connection.execute(query)]

    def _values(self, entity: EntityT) -> dict[str, Any]:
        return {
            **self._kind.write(entity),
            "version": entity.version,
            "created_at_ms": entity.created_at_ms,
            "retired_at_ms": entity.retired_at_ms,
        }

    def _note(self, identifier: str) -> None:
        self._connection.execute(insert(registry_changes).values(entity=self._table.name, entity_id=identifier))


class SqlRegistry:
    """The registry in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection
        self.sites = SqlRows(connection, _SITES)
        self.grids = SqlRows(connection, _GRIDS)
        self.facilities = SqlRows(connection, _FACILITIES)
        self.nodes = SqlRows(connection, _NODES)
        self.devices = SqlRows(connection, _DEVICES)

    def history_of(self, entity: Entity, /) -> str | None:
        for what, condition in _history(entity):
            if self._connection.execute(select(exists().where(condition))).scalar():
                return what
        return None

    def parts_of(self, entity: Entity, /) -> Sequence[Entity]:
        match entity:
            case Site():
                return [
                    *self.devices.all_of(devices.c.site == entity.id),
                    *self.facilities.all_of(facilities.c.site == entity.id),
                    *self.nodes.all_of(nodes.c.site == entity.id),
                    *self.grids.all_of(grids.c.site == entity.id),
                ]
            case Facility():
                return self.devices.all_of(devices.c.facility == entity.id)
            case Node():
                return self.devices.all_of(devices.c.node == entity.id)
            case _:
                return []

    def devices_of_node(self, node: str) -> Sequence[Device]:
        """Return the devices in service at a node's REST id, in the order they were registered."""
        return self.devices.all_of(devices.c.node == node)

    def node_items(self, wanted: Sequence[Node]) -> list[dict[str, Any]]:
        """Return the REST items of nodes, with what supervision knows of them."""
        ids = [node.id for node in wanted]
        rows = self._connection.execute(
            select(node_states.c.node, node_states.c.state).where(node_states.c.node.in_(ids))
        )
        states = {row.node: NodeState.decode(row.state) for row in rows}
        return [_node_item(node, states.get(node.id) or NodeState()) for node in wanted]

    def node_item(self, node: str, /) -> dict[str, Any] | None:
        """Return the REST item of a node's REST id, or None where it is not registered."""
        found = self.nodes.get(node)
        if found is None:
            return None
        state = _NODE_STATE.scalar(self._connection, {"named": node})
        return _node_item(found, NodeState() if state is None else NodeState.decode(state))


def next_number(table: Table) -> Any:
    """Return the place of a new row in the order of registration; writers come one at a time."""
    return select(func.coalesce(func.max(table.c.number), 0) + 1).scalar_subquery()


def _node_item(node: Node, state: NodeState) -> dict[str, Any]:
    if state.last_heard_ms is None:
        word = "never_heard"
    elif state.offline:
        word = "offline"
    else:
        word = "online" if state.sleeping_until_ms is None else "sleeping"
    return present_node(node, state=word, last_heard_at_ms=state.last_heard_ms)


def _history(entity: Entity) -> Sequence[tuple[str, ColumnElement[bool]]]:
    match entity:
        case Site():
            return _of_site(entity)
        case Grid():
            return [("facilities", facilities.c.grid == entity.id)]
        case Facility():
            return [
                ("devices", devices.c.facility == entity.id),
                ("telemetry", facility_states.c.facility == entity.id),
                ("events", device_events.c.facility == entity.id),
                ("alerts", alerts.c.facility == entity.id),
                ("work orders", work_orders.c.facility == entity.id),
            ]
        case Node():
            return _of_node(entity)
        case Device():
            return _of_device(entity)


def _of_site(site: Site) -> Sequence[tuple[str, ColumnElement[bool]]]:
    tables = {
        "facilities": facilities,
        "nodes": nodes,
        "devices": devices,
        "grids": grids,
        "crews": crews,
        "webhooks": webhooks,
        "alerts": alerts,
        "work orders": work_orders,
        "incidents": incidents,
        "quarantined items": quarantine,
    }
    return [(what, table.c.site == site.id) for what, table in tables.items()]


def _of_node(node: Node) -> Sequence[tuple[str, ColumnElement[bool]]]:
    by_slug = {
        "epochs": epochs,
        "lanes": lanes,
        "gaps": gaps,
        "events": device_events,
        "incidents": incidents,
        "quarantined items": quarantine,
    }
    return [
        ("devices", devices.c.node == node.id),
        ("been heard", node_states.c.node == node.id),
        ("alerts", alerts.c.node == node.id),
        ("work orders", work_orders.c.node == node.id),
        *((what, (table.c.site == node.site) & (table.c.node == node.slug)) for what, table in by_slug.items()),
    ]


def _of_device(device: Device) -> Sequence[tuple[str, ColumnElement[bool]]]:
    """A device has been heard where a facility's rule state names it, the one it is attached to or a former one."""
    named = facility_states.c.state.contains(f'"{device.slug}"', autoescape=True)
    of_site = facility_states.c.facility.startswith(f"{device.site}.", autoescape=True)
    return [
        ("events", (device_events.c.site == device.site) & (device_events.c.device == device.slug)),
        ("life-safety records", (sos_presses.c.site == device.site) & (sos_presses.c.device == device.slug)),
        ("telemetry", or_(facility_states.c.facility == device.facility, of_site) & named),
    ]


def _read_site(row: Row[Any]) -> Site:
    return Site(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        location=None if row.lat is None or row.lon is None else (row.lat, row.lon),
        **_frame(row),
    )


def _write_site(site: Site) -> Mapping[str, Any]:
    lat, lon = site.location or (None, None)
    return {"name": site.name, "time_zone": site.time_zone, "lat": lat, "lon": lon}


def _read_grid(row: Row[Any]) -> Grid:
    return Grid(id=row.id, site=row.site, slug=row.slug, name=row.name, **_frame(row))


def _write_grid(grid: Grid) -> Mapping[str, Any]:
    return {"site": grid.site, "slug": grid.slug, "name": grid.name}


def _read_facility(row: Row[Any]) -> Facility:
    return Facility(
        id=row.id,
        site=row.site,
        slug=row.slug,
        kind=row.kind,
        name=row.name,
        grid=row.grid,
        attributes=json.loads(row.attributes),
        **_frame(row),
    )


def _write_facility(facility: Facility) -> Mapping[str, Any]:
    return {
        "site": facility.site,
        "slug": facility.slug,
        "kind": facility.kind,
        "name": facility.name,
        "grid": facility.grid,
        "attributes": document(facility.attributes),
    }


def _read_node(row: Row[Any]) -> Node:
    return Node(
        id=row.id,
        site=row.site,
        slug=row.slug,
        name=row.name,
        credentials_issued_at_ms=row.credentials_issued_at_ms,
        **_frame(row),
    )


def _write_node(node: Node) -> Mapping[str, Any]:
    return {
        "site": node.site,
        "slug": node.slug,
        "name": node.name,
        "credentials_issued_at_ms": node.credentials_issued_at_ms,
    }


def _read_device(row: Row[Any]) -> Device:
    return Device(
        id=row.id,
        site=row.site,
        slug=row.slug,
        kind=row.kind,
        facility=row.facility,
        node=row.node,
        expected_interval_s=row.expected_interval_s,
        **_frame(row),
    )


def _write_device(device: Device) -> Mapping[str, Any]:
    return {
        "site": device.site,
        "slug": device.slug,
        "kind": device.kind,
        "facility": device.facility,
        "node": device.node,
        "expected_interval_s": device.expected_interval_s,
    }


def _frame(row: Row[Any]) -> dict[str, Any]:
    return {"version": row.version, "created_at_ms": row.created_at_ms, "retired_at_ms": row.retired_at_ms}


_SITES: Final = _Kind(sites, _read_site, _write_site)
_GRIDS: Final = _Kind(grids, _read_grid, _write_grid)
_FACILITIES: Final = _Kind(facilities, _read_facility, _write_facility)
_NODES: Final = _Kind(nodes, _read_node, _write_node)
_DEVICES: Final = _Kind(devices, _read_device, _write_device)
