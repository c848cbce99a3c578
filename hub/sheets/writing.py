"""Rows → CSV; facilities → GeoJSON (RFC 7946)."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hub.devices.presenter import present_device, present_facility
from hub.devices.registry import Device, Facility, Grid, Node
from hub.sheets.row import COLUMNS, SheetRow, placed

_PLACE: Final = frozenset({"lat", "lon"})


def sheet_rows(
    facilities: Iterable[Facility],
    *,
    devices: Mapping[str, Sequence[Device]],
    grids: Mapping[str, Grid],
    nodes: Mapping[str, Node],
) -> list[SheetRow]:
    """Return one row for each device of each facility, one for a facility without devices; all maps are by REST id."""
    rows: list[SheetRow] = []
    for facility in facilities:
        place = placed(facility.attributes)
        grid = None if facility.grid is None else grids[facility.grid]
        own: dict[str, Any] = {
            "site": facility.site,
            "slug": facility.slug,
            "kind": facility.kind,
            "name": facility.name,
            "grid": None if grid is None else grid.slug,
            "grid_name": None if grid is None else grid.name,
            "lat": None if place is None else place[0],
            "lon": None if place is None else place[1],
            "attributes": {
                name: value for name, value in facility.attributes.items() if place is None or name not in _PLACE
            },
        }
        parts = [_device(device, nodes) for device in devices.get(facility.id, ())]
        rows += [SheetRow.model_validate(own | part) for part in parts or [{}]]
    return rows


def _device(device: Device, nodes: Mapping[str, Node]) -> dict[str, Any]:
    node = None if device.node is None else nodes[device.node]
    return {
        "device": device.slug,
        "device_kind": device.kind,
        "node": None if node is None else node.slug,
        "node_name": None if node is None else node.name,
        "expected_interval_s": device.expected_interval_s,
    }


def write_csv(rows: Iterable[SheetRow]) -> str:
    """Return the sheet with its header; read again it says the same."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(row, column)) for column in COLUMNS] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""


def write_geojson(facilities: Iterable[Facility], *, devices: Mapping[str, Sequence[Device]]) -> str:
    """Return a FeatureCollection; a facility without a place has no geometry."""
    features = [_feature(facility, devices.get(facility.id, ())) for facility in facilities]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1) + "\n"


def _feature(facility: Facility, devices: Sequence[Device]) -> dict[str, Any]:
    place = placed(facility.attributes)
    return {
        "type": "Feature",
        "id": facility.id,
        "geometry": None if place is None else {"type": "Point", "coordinates": [place[1], place[0]]},
        "properties": present_facility(facility) | {"devices": [present_device(device) for device in devices]},
    }
