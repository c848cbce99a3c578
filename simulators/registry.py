"""Making a community known to the hub by REST. Everything may be there already, as long as it is ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.errors import HubRefused, NotOurs
from simulators.node import Broker, Credential
from simulators.rest import HubClient

_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A community and where it lies."""

    slug: str
    name: str
    time_zone: str
    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A facility with the one device that watches it."""

    facility: str
    facility_kind: str
    name: str
    device: str
    device_kind: str
    node: str
    expected_interval_s: int
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Access:
    """How a node reaches the broker."""

    credential: Credential
    broker: Broker
    known_before: bool
    """Whether the node was registered before this run."""


class Registry:
    """Registers one site's things; a slug that is taken by something of another kind or place is an error."""

    def __init__(self, hub: HubClient, site: str) -> None:
        self._hub = hub
        self.site = site

    async def add_site(self, entry: SiteEntry) -> bool:
        """Register the site; return whether it is new."""
        body = {
            "slug": entry.slug,
            "name": entry.name,
            "time_zone": entry.time_zone,
            "location": {"lat": entry.latitude_deg, "lon": entry.longitude_deg},
        }
        return await self._create("sites", body, {}, entry.slug)

    async def add_node(self, node: str, *, name: str, broker_url: str | None = None) -> Access:
        """Register a node and take its credential, which replaces the former; `broker_url` overrides the hub's word."""
        new = await self._create("nodes", {"site": self.site, "slug": node, "name": name}, {"site": self.site})
        granted = await self._hub.post(f"nodes/{self.site}.{node}/credentials")
        broker = Broker.from_url(broker_url or str(granted["broker_url"]))
        return Access(Credential(str(granted["password"])), broker, known_before=not new)

    async def add_devices(self, entries: Iterable[DeviceEntry]) -> None:
        """Register facilities and their devices."""
        for entry in entries:
            facility: dict[str, Any] = {
                "site": self.site,
                "slug": entry.facility,
                "kind": entry.facility_kind,
                "name": entry.name,
            }
            if entry.attributes:
                facility["attributes"] = dict(entry.attributes)
            await self._create("facilities", facility, {"kind": entry.facility_kind})
            place = {
                "kind": entry.device_kind,
                "facility": f"{self.site}.{entry.facility}",
                "node": f"{self.site}.{entry.node}",
            }
            device = {"site": self.site, "slug": entry.device, "expected_interval_s": entry.expected_interval_s}
            await self._create("devices", {**device, **place}, place)

    async def set_rule(self, code: str, **parameters: float) -> None:
        """Set a rule's parameters for the whole site."""
        await self._hub.put(f"rules/{code}", {"scope": self.site, "parameters": parameters})

    async def _create(
        self, nouns: str, body: Mapping[str, Any], ours: Mapping[str, Any], identity: str | None = None
    ) -> bool:
        """Create and return True; where the slug is taken, return False if what holds it agrees with `ours`."""
        try:
            await self._hub.post(nouns, body)
        except HubRefused as refused:
            if refused.status != _CONFLICT:
                raise
        else:
            return True
        identity = identity or f"{self.site}.{body['slug']}"
        try:
            held = await self._hub.get(f"{nouns}/{identity}")
        except HubRefused as hidden:
            raise NotOurs(f"{nouns} {identity} is taken and cannot be seen: {hidden}") from hidden
        for name, value in ours.items():
            if held.get(name) != value:
                raise NotOurs(f"{nouns} {identity} is taken: its {name} is {held.get(name)!r}, not {value!r}")
        return False
