"""What is registered: sites, grids, facilities, nodes and devices; instants are the hub's time in ms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One community, the tenant; its id is its slug."""

    id: str
    name: str
    time_zone: str
    """IANA name."""
    location: tuple[float, float] | None = None
    """Latitude and longitude in degrees: it decides when lamps should burn."""
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None

    @property
    def site(self) -> str:
        """The site it belongs to: itself."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A cell of a site."""

    id: str
    site: str
    slug: str
    name: str
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """What people see and care for; keeps its history when its hardware is swapped."""

    id: str
    site: str
    slug: str
    kind: str
    name: str
    grid: str | None = None
    """REST id."""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One edge agent; holds the MQTT credential."""

    id: str
    site: str
    slug: str
    name: str
    credentials_issued_at_ms: int | None = None
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One sensor or actuator, attached to one facility; `node` None is a radio device, heard by any node."""

    id: str
    site: str
    slug: str
    kind: str
    facility: str
    node: str | None = None
    expected_interval_s: float | None = None
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None


Entity = Site | Grid | Facility | Node | Device
