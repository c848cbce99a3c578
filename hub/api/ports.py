"""What the API asks of the state database: every noun's repository in one transaction."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from hub.access.audit import AuditRepository
from hub.access.idempotency import IdempotencyRepository
from hub.access.ports import AccountRepository
from hub.alerts.ports import AlertRepository
from hub.devices.ports import Registry
from hub.devices.registry import Device, Node
from hub.events import Event
from hub.ingest.ledger import GapItem, Incident, LaneItem
from hub.ingest.ports import (
    DeviceEvent,
    DeviceEventRepository,
    IncidentRepository,
    LaneRepository,
    QuarantineRepository,
)
from hub.ingest.ports import Unit as IngestUnit
from hub.ingest.quarantine import QuarantineItem
from hub.notification.ports import NotificationRepository, PersonChannelRepository, WebhookRepository
from hub.notification.stream import StreamRepository
from hub.people.ports import CrewRepository, PersonRepository
from hub.rules.overrides import OverrideRepository
from hub.workorders.ports import OrderRepository, RuleParametersPort


class RegistryItems(Registry, Protocol):
    """The registry, and its nodes with what supervision knows of them."""

    def node_items(self, wanted: Sequence[Node]) -> list[dict[str, Any]]:
        """Return the REST items of nodes."""
        ...

    def devices_of_node(self, node: str) -> Sequence[Device]:
        """Return the devices in service at a node's REST id."""
        ...


class RuleParameters(OverrideRepository, RuleParametersPort, Protocol):
    """Overrides, and the windows they come to."""


class LaneBook(LaneRepository, Protocol):
    """Lanes and gaps, to be shown."""

    def items(self, site: str, node: str) -> list[LaneItem]:
        """Return a node's lanes, newest epoch first."""
        ...

    def gap_items(self, site: str, node: str, *, limit: int, before_id: int | None = None) -> list[GapItem]:
        """Return a node's declared losses, newest first."""
        ...


class QuarantineBook(QuarantineRepository, Protocol):
    """The quarantine, to be shown."""

    def page(
        self,
        *,
        sites: list[str] | None,
        site: str | None = None,
        node: str | None = None,
        reason: str | None = None,
        state: str | None = None,
        limit: int = 200,
        before_id: str | None = None,
    ) -> list[QuarantineItem]:
        """Return items of the sites a caller may see (None: all), newest first."""
        ...


class IncidentBook(IncidentRepository, Protocol):
    """Incidents, to be shown."""

    def page(
        self,
        *,
        sites: list[str] | None,
        site: str | None = None,
        node: str | None = None,
        kind: str | None = None,
        limit: int = 200,
        before_id: str | None = None,
    ) -> list[Incident]:
        """Return incidents of the sites a caller may see (None: all), newest first."""
        ...


class EventBook(DeviceEventRepository, Protocol):
    """Events of devices, to be shown."""

    def page(
        self, facility: str, *, from_ms: int | None, to_ms: int | None, limit: int, before_id: int | None = None
    ) -> list[tuple[int, DeviceEvent]]:
        """Return a facility's events in [from, to), newest first, with their row ids."""
        ...


class Unit(IngestUnit, Protocol):
    """One transaction, as far as the API needs it; releasing from quarantine is ingest's, in the same transaction."""

    @property
    def access(self) -> AccountRepository: ...
    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def audit(self) -> AuditRepository: ...
    @property
    def crews(self) -> CrewRepository: ...
    @property
    def device_events(self) -> EventBook: ...
    @property
    def idempotency(self) -> IdempotencyRepository: ...
    @property
    def incidents(self) -> IncidentBook: ...
    @property
    def lanes(self) -> LaneBook: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def people(self) -> PersonRepository: ...
    @property
    def person_channels(self) -> PersonChannelRepository: ...
    @property
    def quarantine(self) -> QuarantineBook: ...
    @property
    def registry(self) -> RegistryItems: ...
    @property
    def rule_parameters(self) -> RuleParameters: ...
    @property
    def stream(self) -> StreamRepository: ...
    @property
    def webhooks(self) -> WebhookRepository: ...
    @property
    def work_orders(self) -> OrderRepository: ...


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractContextManager[Unit]:
        """Write, as somebody who waits for an answer."""
        ...

    def read(self) -> AbstractContextManager[Unit]:
        """Read a consistent snapshot."""
        ...

    def listen(self, listener: Callable[[tuple[Event, ...]], None], /) -> None:
        """Have `listener` called after every commit that something happened in."""
        ...
