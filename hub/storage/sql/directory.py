"""Rows → the directory that ingest reads."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, func, select

from hub.ingest.directory import DeviceEntry, Directory, Entry, FacilityEntry, NodeEntry, Override, SiteEntry
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.tables import devices, facilities, nodes, registry_changes, rule_parameters, sites
from hub.vocabulary import FaultCode, slug_of

_VERSION: Final = Prepared(select(func.max(registry_changes.c.id).label("version")))
_CHUNK: Final = 500


class SqlDirectory:
    """Reads the registry and what changed in it."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def refresh(self, directory: Directory) -> set[str]:
        """Bring the directory up to date; return the sites whose rules or supervision may have changed."""
        version = _VERSION.scalar(self._connection) or 0
        if version == directory.version:
            return set()
        if directory.version == 0:
            for entity in _ENTITIES:
                for entry in self._all(entity):
                    directory.put(entry)
            directory.version = version
            return set(directory.sites)
        changes = self._connection.execute(
            select(registry_changes.c.entity, registry_changes.c.entity_id)
            .where(registry_changes.c.id > directory.version)
            .order_by(registry_changes.c.id)
        ).all()
        touched: set[str] = set()
        wanted: dict[str, dict[str, None]] = {}
        for entity, entity_id in changes:
            if entity in _ENTITIES:
                wanted.setdefault(entity, {})[entity_id] = None
                touched.add(_site_of(entity, entity_id))
        for entity in _ENTITIES:
            self._renew(directory, entity, list(wanted.get(entity, ())))
        directory.version = version
        return touched

    def _renew(self, directory: Directory, entity: str, ids: list[str]) -> None:
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            for entry in self._some(entity, ids[start : start + _CHUNK]):
                directory.put(entry)
                found.add(_key_of(entry))
        for gone in set(ids) - found:
            directory.drop(entity, gone)

    def _all(self, entity: str) -> Iterable[Entry]:
        table, build = _ENTITIES[entity]
        query = select(table)
        if "retired_at_ms" in table.c:
            query = query.where(table.c.retired_at_ms.is_(None))
        return (build(row) for row in self._connection.execute(query))

    def _some(self, entity: str, ids: list[str]) -> Iterable[Entry]:
        table, build = _ENTITIES[entity]
        query: Select[Any] = select(table)
        if table is rule_parameters:
            query = query.where((table.c.scope + "/" + table.c.fault_code).in_(ids))
        else:
            query = query.where(table.c.id.in_(ids), table.c.retired_at_ms.is_(None))
        return [build(row) for row in self._connection.execute(query)]


def _site(row: Any) -> SiteEntry:
    location = None if row.lat is None or row.lon is None else (row.lat, row.lon)
    return SiteEntry(row.id, row.time_zone, location)


def _node(row: Any) -> NodeEntry:
    return NodeEntry(row.id, row.site, row.slug)


def _facility(row: Any) -> FacilityEntry:
    rated = json.loads(row.attributes).get("rated_power_w") if row.attributes != "{}" else None
    return FacilityEntry(
        row.id, row.site, row.slug, row.kind, row.grid, rated if isinstance(rated, int | float) else None
    )


def _device(row: Any) -> DeviceEntry:
    interval_ms = None if row.expected_interval_s is None else int(row.expected_interval_s * 1000)
    node = None if row.node is None else slug_of(row.node)
    return DeviceEntry(row.id, row.site, row.slug, row.kind, row.facility, slug_of(row.facility), node, interval_ms)


def _override(row: Any) -> Override:
    return Override(row.scope, FaultCode(row.fault_code), json.loads(row.parameters))


_ENTITIES: Final[dict[str, tuple[Table, Callable[[Any], Entry]]]] = {
    "sites": (sites, _site),
    "nodes": (nodes, _node),
    "facilities": (facilities, _facility),
    "devices": (devices, _device),
    "rule_parameters": (rule_parameters, _override),
}


def _key_of(entry: Entry) -> str:
    return f"{entry.scope}/{entry.fault_code}" if isinstance(entry, Override) else entry.id


def _site_of(entity: str, entity_id: str) -> str:
    if entity == "rule_parameters":
        entity_id = entity_id.partition("/")[0].partition(":")[2]
    return entity_id.partition(".")[0]
