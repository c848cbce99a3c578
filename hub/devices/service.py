"""Use cases of the registry: check, decide, keep; nothing is committed here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hub.devices.ports import EntityT, Registry, Rows
from hub.devices.registry import Device, Entity, Facility, Grid, Node, Site
from hub.errors import ConflictError, HistoryError, InvalidError, NotFoundError, StaleVersionError


def register(registry: Registry, entity: EntityT) -> EntityT:
    """Add an entity whose references lead somewhere; raises ConflictError where its slug is taken."""
    rows = rows_of(registry, entity)
    if rows.get(entity.id) is not None:
        message = f"{entity.id} is taken"
        raise ConflictError(message)
    _check_references(registry, entity)
    rows.add(entity)
    return entity


def change(registry: Registry, entity: EntityT, *, expected_version: int | None = None, **changes: Any) -> EntityT:
    """Change an entity; the same values again change nothing."""
    expect_version(entity, expected_version)
    if entity.retired_at_ms is not None:
        message = f"{entity.id} is retired"
        raise ConflictError(message)
    wanted = replace(entity, **changes)
    if wanted == entity:
        return entity
    _check_references(registry, wanted)
    return _save(registry, wanted)


def retire(registry: Registry, entity: EntityT, *, at_ms: int, expected_version: int | None = None) -> EntityT:
    """Take an entity and its parts out of service; what they have lived through stays.

    The devices of a facility or a node are retired with it: move those first that are to stay.
    """
    expect_version(entity, expected_version)
    if entity.retired_at_ms is not None:
        return entity
    for part in registry.parts_of(entity):
        _save(registry, replace(part, retired_at_ms=at_ms))
    return _save(registry, replace(entity, retired_at_ms=at_ms))


def remove(registry: Registry, entity: Entity, *, expected_version: int | None = None) -> None:
    """Delete an entity that nothing hangs on; raises HistoryError naming what does."""
    expect_version(entity, expected_version)
    check_removable(registry, entity)
    rows_of(registry, entity).remove(entity.id)


def check_removable(registry: Registry, entity: Entity) -> None:
    """Raise HistoryError naming what hangs on the entity."""
    history = registry.history_of(entity)
    if history is not None:
        message = f"{entity.id} has {history}; retire it instead"
        raise HistoryError(message)


def note_credentials(registry: Registry, node: Node, *, at_ms: int) -> Node:
    """Keep when a node was last given credentials."""
    return _save(registry, replace(node, credentials_issued_at_ms=at_ms))


def expect_version(entity: Entity, expected_version: int | None) -> None:
    """Raise StaleVersionError where somebody else changed the entity first."""
    if expected_version is not None and entity.version != expected_version:
        message = f"{entity.id} is at version {entity.version}, not {expected_version}"
        raise StaleVersionError(message)


def found(entity: EntityT | None) -> EntityT:
    """Return the entity; raises NotFoundError for None."""
    if entity is None:
        message = "there is no such thing, or you may not see it"
        raise NotFoundError(message)
    return entity


def rows_of(registry: Registry, entity: EntityT) -> Rows[EntityT]:
    """Return the rows of the entity's kind."""
    rows: Rows[Any]
    match entity:
        case Site():
            rows = registry.sites
        case Grid():
            rows = registry.grids
        case Facility():
            rows = registry.facilities
        case Node():
            rows = registry.nodes
        case _:
            rows = registry.devices
    return rows


def _save(registry: Registry, entity: EntityT) -> EntityT:
    newer = replace(entity, version=entity.version + 1)
    rows_of(registry, newer).save(newer)
    return newer


def _check_references(registry: Registry, entity: Entity) -> None:
    errors: list[tuple[str, str]] = []
    if not isinstance(entity, Site) and not _usable(registry.sites.get(entity.site), entity.site):
        errors.append(("site", "is no site that is in service"))
    match entity:
        case Facility(grid=str(grid)):
            errors += _missing("grid", registry.grids.get(grid), entity.site)
        case Device(facility=facility, node=node):
            errors += _missing("facility", registry.facilities.get(facility), entity.site)
            if node is not None:
                errors += _missing("node", registry.nodes.get(node), entity.site)
        case _:
            pass
    if errors:
        raise InvalidError(*errors)


def _missing(field: str, entity: Entity | None, site: str) -> Sequence[tuple[str, str]]:
    return [] if _usable(entity, site) else [(field, f"is no {field} of this site that is in service")]


def _usable(entity: Entity | None, site: str) -> bool:
    return entity is not None and entity.retired_at_ms is None and entity.site == site
