"""The registry as the REST contract and the event stream show it (`rest.md` §3)."""

from typing import Any

from hub.devices.registry import Device, Entity, Facility, Grid, Node, Site
from protocols.instant import format_known_ms, format_ms


def present_site(site: Site) -> dict[str, Any]:
    """Return the item of a site, ready for JSON."""
    location = None if site.location is None else {"lat": site.location[0], "lon": site.location[1]}
    return _framed(site, {"slug": site.id, "name": site.name, "time_zone": site.time_zone, "location": location})


def present_grid(grid: Grid) -> dict[str, Any]:
    """Return the item of a grid, ready for JSON."""
    return _framed(grid, {"site": grid.site, "slug": grid.slug, "name": grid.name})


def present_facility(facility: Facility) -> dict[str, Any]:
    """Return the item of a facility, ready for JSON."""
    own = {
        "site": facility.site,
        "slug": facility.slug,
        "kind": facility.kind,
        "name": facility.name,
        "grid": facility.grid,
        "attributes": dict(facility.attributes),
    }
    return _framed(facility, own)


def present_node(node: Node, *, state: str, last_heard_at_ms: int | None) -> dict[str, Any]:
    """Return the item of a node, ready for JSON; `state` is never_heard, online, sleeping or offline."""
    own = {
        "site": node.site,
        "slug": node.slug,
        "name": node.name,
        "state": state,
        "last_heard_at": format_known_ms(last_heard_at_ms),
        "credentials_issued_at": format_known_ms(node.credentials_issued_at_ms),
    }
    return _framed(node, own)


def present_device(device: Device) -> dict[str, Any]:
    """Return the item of a device, ready for JSON."""
    own = {
        "site": device.site,
        "slug": device.slug,
        "kind": device.kind,
        "facility": device.facility,
        "node": device.node,
        "expected_interval_s": device.expected_interval_s,
    }
    return _framed(device, own)


def _framed(entity: Entity, own: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": entity.id,
        "version": entity.version,
        **own,
        "created_at": format_ms(entity.created_at_ms),
        "retired_at": format_known_ms(entity.retired_at_ms),
    }
