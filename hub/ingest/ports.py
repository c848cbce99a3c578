"""What ingest asks of the state database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from hub.events import Event
from hub.ingest.deadlines import Deadlines
from hub.ingest.directory import Directory
from hub.ingest.lane import LaneState, TakenGap
from hub.ingest.quarantine import QuarantineItem, QuarantineState, Refused
from hub.rules.facility import FacilityState
from hub.rules.node import NodeState
from hub.telemetry.point import LaneKey
from protocols.ack import SosReceipt


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A stored event: (site, device, event, ref) is one fact."""

    site: str
    facility: str
    node: str
    device: str
    event: str
    ref: str
    at_ms: int
    time_source: str
    received_ms: int
    quality: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EpochEntry:
    """An epoch of a node: its number by first contact, the boot that last said hello and those before it."""

    epoch: str
    number: int
    boot: str | None
    past_boots: tuple[str, ...]
    cloned: bool = False
    """Two boots were seen alternating; told once."""


class LaneRepository(Protocol):
    """High-water marks, epochs and gaps."""

    def load(self, keys: Sequence[LaneKey]) -> dict[LaneKey, LaneState]:
        """Return the lanes that exist, with what was handled ahead of a hole."""
        ...

    def save(self, before: Mapping[LaneKey, LaneState], states: Iterable[LaneState]) -> None:
        """Write where lanes stand now and add their counts; `before` tells which rows ahead of a hole are gone."""
        ...

    def add_gap(self, key: LaneKey, gap: TakenGap, recorded_at_ms: int) -> None:
        """Record a declared loss."""
        ...

    def epochs(self, site: str, node: str) -> list[EpochEntry]:
        """Return a node's epochs, oldest first."""
        ...

    def save_epoch(self, site: str, node: str, entry: EpochEntry, first_contact_ms: int) -> None:
        """Insert or update an epoch."""
        ...

    def close_older(self, site: str, node: str, lane: str, number: int, at_ms: int) -> list[tuple[LaneKey, int]]:
        """Close the open lanes of epochs before `number`; return them with their losses."""
        ...

    def move_released(self, key: LaneKey) -> None:
        """Move one record of the lane from quarantined to stored."""
        ...


class QuarantineRepository(Protocol):
    """The quarantine."""

    def hold(self, refused: Refused, quarantine_id: str) -> tuple[str, bool]:
        """Hold what was refused; a message already held by its hash is counted.

        Returns the id and whether it is new.
        """
        ...

    def get(self, quarantine_id: str) -> QuarantineItem:
        """Return an item; raises NotFoundError."""
        ...

    def decide(
        self, quarantine_id: str, state: QuarantineState, *, by: str | None, at_ms: int, comment: str
    ) -> QuarantineItem:
        """Record a person's decision."""
        ...


class DeviceEventRepository(Protocol):
    """Stored events."""

    def add(self, event: DeviceEvent) -> bool:
        """Store an event; False where the same fact is stored already."""
        ...


class IncidentRepository(Protocol):
    """Incidents: losses, resets, clones."""

    def add(
        self, incident_id: str, *, site: str, node: str | None, kind: str, at_ms: int, details: Mapping[str, Any]
    ) -> None:
        """Record an incident."""
        ...


class StateRepository(Protocol):
    """Rule states of facilities and supervision of nodes, with their earliest deadlines."""

    def load_facilities(self, facilities: Sequence[str]) -> dict[str, FacilityState]:
        """Return the states that exist."""
        ...

    def save_facilities(self, states: Mapping[str, FacilityState]) -> None:
        """Write states and deadlines."""
        ...

    def load_nodes(self) -> dict[str, NodeState]:
        """Return the supervision of every node, by REST id."""
        ...

    def save_nodes(self, states: Mapping[str, NodeState]) -> None:
        """Write supervision and deadlines."""
        ...

    def save_status(self, node: str, status: str) -> None:
        """Keep what a node last said of itself."""
        ...

    def due_facilities(self, at_ms: int, limit: int) -> list[str]:
        """Return facilities whose deadline has come."""
        ...

    def due_nodes(self, at_ms: int, limit: int) -> list[str]:
        """Return nodes whose deadline has come."""
        ...

    def wake_facilities(self, facilities: Iterable[str], at_ms: int) -> None:
        """Bring the deadline of facilities forward to `at_ms`."""
        ...

    def wake_site_facilities(self, site: str, at_ms: int) -> None:
        """Bring the deadlines of a site's facilities that lie after `at_ms` forward to it."""
        ...

    def wake_scope(self, site: str, at_ms: int) -> None:
        """Bring every deadline of a site forward: its rules changed."""
        ...

    def earliest_wake_ms(self) -> int | None:
        """Return the earliest deadline of facilities, nodes, alerts and orders."""
        ...

    def earliest_node_wake_ms(self) -> int | None:
        """Return the earliest deadline of nodes."""
        ...

    def deadlines(self, at_most: int) -> Deadlines:
        """Return the earliest deadlines, so many of facilities and of nodes."""
        ...


class Marks(Protocol):
    """What the state database knows of itself."""

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        ...


class PressRepository(Protocol):
    """What the wearers of a node are told."""

    def receipts(self, site: str, node: str, at_ms: int) -> list[SosReceipt]:
        """Return the receipts of the node's newest SOS that are open or closed less than 10 min ago."""
        ...


class ProbeRepository(Protocol):
    """What the watchdog is told."""

    def receipts(self) -> list[SosReceipt]:
        """Return how far its last test press has come."""
        ...


class DirectoryRepository(Protocol):
    """The registry as ingest reads it."""

    def refresh(self, directory: Directory) -> set[str]:
        """Bring the directory up to date; return the sites whose rules or supervision changed."""
        ...


class Unit(Protocol):
    """One state transaction."""

    @property
    def lanes(self) -> LaneRepository: ...
    @property
    def quarantine(self) -> QuarantineRepository: ...
    @property
    def device_events(self) -> DeviceEventRepository: ...
    @property
    def incidents(self) -> IncidentRepository: ...
    @property
    def states(self) -> StateRepository: ...
    @property
    def presses(self) -> PressRepository: ...
    @property
    def probes(self) -> ProbeRepository: ...
    @property
    def directory(self) -> DirectoryRepository: ...
    @property
    def meta(self) -> Marks: ...

    def new_id(self) -> str:
        """Return a new ULID."""
        ...

    def emit(self, *events: Event) -> None:
        """Tell what happened."""
        ...

    def on_committed(self, call: "Callback") -> None:
        """Have `call` run right after the commit, before anybody else writes."""
        ...


class Callback(Protocol):
    """Something to do after a commit."""

    def __call__(self) -> None:
        """Do it."""
        ...


class Transactions(Protocol):
    """Opens state transactions: `life_safety` goes before all others."""

    @property
    def changes(self) -> int:
        """A number that rises when a person of this process may have changed the registry."""
        ...

    def on_doubt(self, recall: Callable[[Unit], None]) -> None:
        """Have `recall` called in the transaction that follows one of which nobody knows whether it was committed."""
        ...

    def life_safety(self, *, at_ms: int | None = None) -> AbstractContextManager[Unit]:
        """Open a transaction that waits for nobody but the one under way; its reactions happen at `at_ms`, else now."""
        ...

    def background(self, *, at_ms: int | None = None) -> AbstractContextManager[Unit]:
        """Open a transaction that lets people and life-safety go first; its reactions happen at `at_ms`, else now."""
        ...

    def read(self) -> AbstractContextManager[Unit]:
        """Open a read-only view."""
        ...
