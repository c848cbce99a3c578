"""The directory: the registry as ingest reads it, in memory, renewed by what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from hub.rules.facility import FacilityRules
from hub.rules.parameters import (
    BatteryLowParameters,
    BinFullParameters,
    CommunicationFailureParameters,
    LampFailureParameters,
    LampUnexpectedOnParameters,
    NodeOfflineParameters,
    merge,
)
from hub.vocabulary import PROBE_NODE, PROBE_SITE, FaultCode, rest_id

_NO_OVERRIDE: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A site: where it lies decides when lamps should burn."""

    id: str
    time_zone: str
    location: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node by its REST id."""

    id: str
    site: str
    slug: str
    probe: bool = False
    """Whether it is the watchdog's, which nobody registered."""


PROBE: Final = NodeEntry(rest_id(PROBE_SITE, PROBE_NODE), PROBE_SITE, PROBE_NODE, probe=True)


@dataclass(frozen=True, slots=True)
class FacilityEntry:
    """A facility by its REST id."""

    id: str
    site: str
    slug: str
    kind: str
    grid: str | None
    rated_power_w: float | None


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device, with the slugs that its records are filed under; `node` None is a radio device."""

    id: str
    site: str
    slug: str
    kind: str
    facility: str
    facility_slug: str
    node: str | None
    """Slug of the node it is attached to."""
    interval_ms: int | None


@dataclass(frozen=True, slots=True)
class Override:
    """Rule parameters set for a scope: `site:…`, `grid:…` or `facility:…`."""

    scope: str
    fault_code: FaultCode
    parameters: Mapping[str, Any]


Entry = SiteEntry | NodeEntry | FacilityEntry | DeviceEntry | Override


class Directory:
    """Who is who. One thread at a time changes it.

    Readers see one entry or another, never half of one.
    """

    def __init__(self, *, probe: bool = False) -> None:
        """Start empty, at version 0; `probe`: the watchdog's node is known beside the registered ones."""
        self.version = 0
        self._probe = probe
        self.sites: dict[str, SiteEntry] = {}
        self.nodes: dict[tuple[str, str], NodeEntry] = {}
        self.facilities: dict[str, FacilityEntry] = {}
        self.devices: dict[tuple[str, str], DeviceEntry] = {}
        self._devices_of: dict[str, dict[str, DeviceEntry]] = {}
        self._devices_at: dict[tuple[str, str], dict[str, DeviceEntry]] = {}
        self._overrides: dict[tuple[str, FaultCode], Mapping[str, Any]] = {}
        self._rules: dict[str, FacilityRules] = {}
        self._changing = Lock()

    def node(self, site: str, slug: str) -> NodeEntry | None:
        """Return the node a topic names."""
        return self.nodes.get((site, slug)) or self.probe(site, slug)

    def probe(self, site: str, slug: str) -> NodeEntry | None:
        """Return the watchdog's node where that is meant and let in; a registered one of its name goes before."""
        return PROBE if self._probe and site == PROBE.site and slug == PROBE.slug else None

    def device(self, site: str, slug: str) -> DeviceEntry | None:
        """Return the device a record names."""
        return self.devices.get((site, slug))

    def facilities_of_node(self, site: str, node: str) -> set[str]:
        """Return the facilities that have a device at a node."""
        return {device.facility for device in list(self._devices_at.get((site, node), {}).values())}

    def rules_of(self, facility: str) -> FacilityRules:
        """Return what applies to a facility now; raises KeyError for one that is not here."""
        rules = self._rules.get(facility)
        if rules is None:
            with self._changing:  # what is built from an entry must not outlive its replacement
                rules = self._rules[facility] = self._build_rules(self.facilities[facility])
        return rules

    def node_rules(self, site: str) -> NodeOfflineParameters:
        """Return the supervision parameters of a site's nodes."""
        overrides = self._overrides.get((f"site:{site}", FaultCode.NODE_OFFLINE), _NO_OVERRIDE)
        return merge(NodeOfflineParameters, overrides)

    def put(self, entry: Entry) -> None:
        """Add or replace an entry."""
        with self._changing:
            self._put(entry)

    def _put(self, entry: Entry) -> None:
        match entry:
            case SiteEntry():
                self.sites[entry.id] = entry
                self._rules.clear()
            case NodeEntry():
                self.nodes[entry.site, entry.slug] = entry
            case FacilityEntry():
                self.facilities[entry.id] = entry
                self._rules.pop(entry.id, None)
            case DeviceEntry():
                former = self.devices.get((entry.site, entry.slug))
                if former is not None:
                    self._detach(former)
                self.devices[entry.site, entry.slug] = entry
                self._devices_of.setdefault(entry.facility, {})[entry.slug] = entry
                if entry.node is not None:
                    self._devices_at.setdefault((entry.site, entry.node), {})[entry.slug] = entry
                self._rules.pop(entry.facility, None)
            case Override():
                self._overrides[entry.scope, entry.fault_code] = entry.parameters
                self._rules.clear()

    def drop(self, entity: str, entity_id: str) -> None:
        """Forget what was deleted or retired; `entity` is the table's name."""
        with self._changing:
            self._drop(entity, entity_id)

    def _drop(self, entity: str, entity_id: str) -> None:
        site, _, slug = entity_id.partition(".")
        if entity == "sites":
            self.sites.pop(entity_id, None)
        elif entity == "nodes":
            self.nodes.pop((site, slug), None)
        elif entity == "facilities":
            self.facilities.pop(entity_id, None)
            self._rules.pop(entity_id, None)
        elif entity == "devices":
            former = self.devices.pop((site, slug), None)
            if former is not None:
                self._detach(former)
        elif entity == "rule_parameters":
            scope, _, code = entity_id.rpartition("/")
            self._overrides.pop((scope, FaultCode(code)), None)
            self._rules.clear()

    def _detach(self, device: DeviceEntry) -> None:
        self._devices_of.get(device.facility, {}).pop(device.slug, None)
        if device.node is not None:
            self._devices_at.get((device.site, device.node), {}).pop(device.slug, None)
        self._rules.pop(device.facility, None)

    def _build_rules(self, facility: FacilityEntry) -> FacilityRules:
        scopes = [f"site:{facility.site}", f"facility:{facility.id}"]
        if facility.grid is not None:
            scopes.insert(1, f"grid:{facility.grid}")

        def overrides(code: FaultCode) -> list[Mapping[str, Any]]:
            return [self._overrides.get((scope, code), _NO_OVERRIDE) for scope in scopes]

        site = self.sites.get(facility.site)
        devices = self._devices_of.get(facility.id, {})
        return FacilityRules(
            kind=facility.kind,
            rated_power_w=facility.rated_power_w,
            location=site.location if site is not None else None,
            bin_full=merge(BinFullParameters, *overrides(FaultCode.BIN_FULL)),
            lamp_failure=merge(LampFailureParameters, *overrides(FaultCode.LAMP_FAILURE)),
            lamp_unexpected_on=merge(LampUnexpectedOnParameters, *overrides(FaultCode.LAMP_UNEXPECTED_ON)),
            battery_low=merge(BatteryLowParameters, *overrides(FaultCode.BATTERY_LOW)),
            communication_failure=merge(CommunicationFailureParameters, *overrides(FaultCode.COMMUNICATION_FAILURE)),
            intervals_ms={device.slug: device.interval_ms for device in devices.values()},
            nodes={device.slug: device.node for device in devices.values()},
        )
