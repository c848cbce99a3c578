"""A sheet into the registry, all of it or nothing, by the use cases that REST has; and out of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hub.api.ports import Transactions, Unit
from hub.devices import service
from hub.devices.ports import EntityT, Rows
from hub.devices.registry import Device, Facility, Grid, Node
from hub.errors import HubError, InvalidError
from hub.paging import PAGE, all_pages
from hub.sheets.reading import Fault, Numbered, Sheet
from hub.sheets.row import SheetRow
from hub.sheets.writing import sheet_rows, write_csv, write_geojson

IMPORTED_BY: Final = "linli-hub facilities import"
"""What the audit log names in place of a person."""
MOST_WRITES: Final = 500
"""Entities that one import may create or change: SQLite has one writer, and an SOS waits for this one (some 2 s)."""


class Done(StrEnum):
    """What became of an entity."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a row did to one entity; `fields` are those that changed."""

    row: int
    what: str
    id: str
    done: Done
    version: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, or would have been: with a fault nothing was."""

    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]


class _UndoneError(Exception):
    """Rolls the transaction back."""


def import_sheet(
    transactions: Transactions,
    sheet: Sheet,
    *,
    at_ms: int,
    dry_run: bool,
    on_row: Callable[[int, int], None] = lambda _done, _rows: None,
) -> Outcome:
    """Bring the registry to what the sheet says; a dry run does it too, and takes it back.

    `on_row` hears after each row how many of how many are done.
    """
    outcome = Outcome((), sheet.faults)
    with suppress(_UndoneError), transactions.begin() as unit:
        importing = _Importing(unit, at_ms)
        for done, numbered in enumerate(sheet.rows, start=1):
            importing.put(numbered)
            on_row(done, len(sheet.rows))
            if importing.writes > MOST_WRITES:
                reason = f"is behind {MOST_WRITES} changes, the most of one import; import the rows before it first"
                importing.faults.append(Fault(numbered.row, "", reason))
                break
        outcome = Outcome(tuple(importing.steps), tuple(sorted((*sheet.faults, *importing.faults))))
        if dry_run or outcome.faults:
            raise _UndoneError
    return outcome


@dataclass(slots=True)
class _Importing:
    """One import within its transaction."""

    unit: Unit
    at_ms: int
    writes: int = 0
    steps: list[Step] = field(default_factory=list[Step])
    faults: list[Fault] = field(default_factory=list[Fault])
    settled: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    """Entities of rows before → whether they are as the sheet says."""

    def put(self, numbered: Numbered) -> None:
        """Bring what one row says into the registry, parts after what they refer to."""
        said = numbered.said
        good = True
        if said.grid_id is not None:
            good = self._once(numbered, "grid", said.grid_id)
        if not (good and self._once(numbered, "facility", said.facility_id)) or said.device_id is None:
            return
        if said.node_id is None or self._once(numbered, "node", said.node_id):
            self._once(numbered, "device", said.device_id)

    def _once(self, numbered: Numbered, what: str, identifier: str) -> bool:
        key = (what, identifier)
        if key not in self.settled:
            said = numbered.said
            try:
                step = self._put(numbered.row, what, identifier, said)
            except InvalidError as error:
                self.settled[key] = False
                self.faults += [Fault(numbered.row, column, reason) for column, reason in error.errors]
            except HubError as error:
                self.settled[key] = False
                self.faults.append(Fault(numbered.row, "slug" if what == "facility" else what, str(error)))
            else:
                self.settled[key] = True
                if step is not None:
                    self.steps.append(step)
        return self.settled[key]

    def _put(self, row: int, what: str, identifier: str, said: SheetRow) -> Step | None:
        registry = self.unit.registry
        match what:
            case "grid":
                return self._named(row, Grid, registry.grids, identifier=identifier, name=said.grid_name)
            case "node":
                return self._named(row, Node, registry.nodes, identifier=identifier, name=said.node_name)
            case "facility":
                return self._facility(row, said)
            case _:
                return self._device(row, identifier, said)

    def _named(
        self, row: int, kind: type[Grid | Node], rows: Rows[Grid] | Rows[Node], *, identifier: str, name: str | None
    ) -> Step | None:
        """A grid or a node: made where it is missing and has a name, else called as the row says."""
        what = kind.__name__.lower()
        current = rows.get(identifier)
        if current is None:
            if name is None:
                raise InvalidError((what, f"is no {what} of this site; with {what}_name it would be made"))
            site, _, slug = identifier.partition(".")
            new = kind(id=identifier, site=site, slug=slug, name=name, created_at_ms=self.at_ms)
            return self._register(row, what, new)
        if name is None:
            return None
        if name == current.name:
            return Step(row=row, what=what, id=identifier, done=Done.UNCHANGED, version=current.version)
        return self._change(row, what, current, {"name": name})

    def _facility(self, row: int, said: SheetRow) -> Step:
        current = self.unit.registry.facilities.get(said.facility_id)
        if current is None:
            kind, name = said.kind, said.name
            if kind is None or name is None:
                missing = [column for column in ("kind", "name") if getattr(said, column) is None]
                raise InvalidError(*((column, "must be given for a new facility") for column in missing))
            new = Facility(
                id=said.facility_id,
                site=said.site,
                slug=said.slug,
                kind=kind,
                name=name,
                grid=said.grid_id,
                attributes=_attributes(said, {}),
                created_at_ms=self.at_ms,
            )
            return self._register(row, "facility", new)
        if said.kind is not None and said.kind != current.kind:
            raise InvalidError(("kind", f"is {current.kind} and stays so; retire the facility and make another"))
        given: dict[str, Any] = {"attributes": _attributes(said, current.attributes)}
        if said.name is not None:
            given["name"] = said.name
        if "grid" in said.model_fields_set:
            given["grid"] = said.grid_id
        return self._change(row, "facility", current, given)

    def _device(self, row: int, identifier: str, said: SheetRow) -> Step:
        current = self.unit.registry.devices.get(identifier)
        slug = identifier.removeprefix(f"{said.site}.")
        if current is None:
            if said.device_kind is None:
                raise InvalidError(("device_kind", "must be given for a new device"))
            new = Device(
                id=identifier,
                site=said.site,
                slug=slug,
                kind=said.device_kind,
                facility=said.facility_id,
                node=said.node_id,
                expected_interval_s=said.expected_interval_s,
                created_at_ms=self.at_ms,
            )
            return self._register(row, "device", new)
        given: dict[str, Any] = {"facility": said.facility_id}
        if said.device_kind is not None:
            given["kind"] = said.device_kind
        if "node" in said.model_fields_set:
            given["node"] = said.node_id
        if "expected_interval_s" in said.model_fields_set:
            given["expected_interval_s"] = said.expected_interval_s
        return self._change(row, "device", current, given)

    def _register(self, row: int, what: str, entity: Grid | Node | Facility | Device) -> Step:
        service.register(self.unit.registry, entity)
        self._audit(f"POST /{_NOUNS[what]}", entity.id, entity.site, row)
        return Step(row=row, what=what, id=entity.id, done=Done.CREATED, version=entity.version)

    def _change(self, row: int, what: str, current: Grid | Node | Facility | Device, given: Mapping[str, Any]) -> Step:
        newer = service.change(self.unit.registry, current, **given)
        if newer is current:
            return Step(row=row, what=what, id=current.id, done=Done.UNCHANGED, version=current.version)
        self._audit(f"PATCH /{_NOUNS[what]}/{{{what}_id}}", current.id, current.site, row)
        fields = tuple(name for name, value in given.items() if getattr(current, name) != value)
        return Step(row=row, what=what, id=current.id, done=Done.CHANGED, version=newer.version, fields=fields)

    def _audit(self, action: str, identifier: str, site: str, row: int) -> None:
        self.writes += 1
        details = {"by": IMPORTED_BY, "row": row}
        self.unit.audit.add(action, identifier, person=None, site=site, at_ms=self.at_ms, details=details)


_NOUNS: Final = {"grid": "grids", "node": "nodes", "facility": "facilities", "device": "devices"}


def _attributes(said: SheetRow, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return a facility's attributes: a column of them stands for all, places alone join those that are there."""
    given = said.model_fields_set
    attributes = dict(current) if said.attributes is None else dict(said.attributes)
    for column, value in (("lat", said.lat), ("lon", said.lon)):
        if value is not None:
            attributes[column] = value
        elif column in given and said.attributes is None:
            attributes.pop(column, None)
    return attributes


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in service, in the order it was registered."""

    facilities: Sequence[Facility]
    devices: Mapping[str, Sequence[Device]]
    grids: Mapping[str, Grid]
    nodes: Mapping[str, Node]

    def csv(self) -> str:
        """Return the sheet that `import` takes."""
        return write_csv(sheet_rows(self.facilities, devices=self.devices, grids=self.grids, nodes=self.nodes))

    def geojson(self) -> str:
        """Return a map of them."""
        return write_geojson(self.facilities, devices=self.devices)


def export_facilities(unit: Unit, *, site: str | None) -> Exported:
    """Return the facilities of a site (None: of all) with what belongs to them."""
    registry = unit.registry
    devices: dict[str, list[Device]] = {}
    for device in _in_service(registry.devices, site):
        devices.setdefault(device.facility, []).append(device)
    facilities = _in_service(registry.facilities, site)
    grids = {name: service.found(registry.grids.get(name)) for name in {f.grid for f in facilities} if name is not None}
    heard_by = {device.node for found in devices.values() for device in found}
    nodes = {name: service.found(registry.nodes.get(name)) for name in heard_by if name is not None}
    return Exported(facilities, devices, grids, nodes)


def _in_service(rows: Rows[EntityT], site: str | None) -> list[EntityT]:
    sites = None if site is None else frozenset({site})
    found = all_pages(lambda before: rows.page(sites=sites, where={}, retired=False, before=before, limit=PAGE))
    return list(found)[::-1]
