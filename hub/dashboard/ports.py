"""What the pages ask of the hub; the composition root fills it in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hub.access.account import Account
from hub.access.audit import AuditRepository
from hub.alerts.alert import AlertState
from hub.alerts.ports import AlertRepository, PressRepository
from hub.devices.ports import Registry
from hub.devices.tally import KindTally
from hub.events import Event
from hub.people.ports import CrewRepository, PersonRepository
from hub.rules.facility import FacilityState
from hub.telemetry.point import Point
from hub.vocabulary import Sight
from hub.workorders.order import OrderState
from hub.workorders.ports import OrderRepository, RuleParametersPort


class Overview(Protocol):
    """Ids in the order in which people should look at them, and counts."""

    def alerts(self, sight: Sight, *, closed: bool, limit: int, offset: int = 0) -> Sequence[str]:
        """Return ids of the alerts that are seen, the most urgent first; with `closed` those over, newest first."""
        ...

    def work_orders(
        self, sight: Sight, *, closed: bool, crews: frozenset[str] | None = None, limit: int, offset: int = 0
    ) -> Sequence[str]:
        """Return ids of the orders that are seen, the most urgent first; with `closed` those over, newest first."""
        ...

    def count_alerts(self, sight: Sight) -> dict[AlertState, int]:
        """Return how many alerts that are not closed are in each state, without the suppressed."""
        ...

    def count_orders(self, sight: Sight) -> dict[OrderState, int]:
        """Return how many orders that are not over are in each state."""
        ...

    def facilities(
        self,
        kind: str,
        *,
        sites: frozenset[str] | None,
        care_sites: frozenset[str] | None,
        limit: int,
        offset: int = 0,
    ) -> Sequence[str]:
        """Return ids of facilities in service, the worst first."""
        ...

    def tallies(self, *, sites: frozenset[str] | None, care_sites: frozenset[str] | None) -> Sequence[KindTally]:
        """Return the facilities in service by kind, and what is wrong with them."""
        ...


class RuleStates(Protocol):
    """What the rules remember of facilities."""

    def load_facilities(self, facilities: Sequence[str]) -> dict[str, FacilityState]:
        """Return the states that exist."""
        ...


class Unit(Protocol):
    """One transaction, as far as the pages need it."""

    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def audit(self) -> AuditRepository: ...
    @property
    def crews(self) -> CrewRepository: ...
    @property
    def overview(self) -> Overview: ...
    @property
    def people(self) -> PersonRepository: ...
    @property
    def presses(self) -> PressRepository: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def rule_parameters(self) -> RuleParametersPort: ...
    @property
    def states(self) -> RuleStates: ...
    @property
    def work_orders(self) -> OrderRepository: ...

    def emit(self, *events: Event) -> None:
        """Tell what happened; reactions follow before the commit."""
        ...


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractContextManager[Unit]:
        """Write, as somebody who waits for an answer."""
        ...

    def read(self) -> AbstractContextManager[Unit]:
        """Read a consistent snapshot."""
        ...


class Gate(Protocol):
    """Who is asking."""

    def sign_in(self, username: str, password: str, *, address: str) -> Account:
        """Return the account; raises UnauthenticatedError or TooManyRequestsError."""
        ...

    def open_session(self, account: Account) -> str:
        """Return the opaque value of a browser's cookie."""
        ...

    def by_session(self, cookie: str) -> Account | None:
        """Return who holds the cookie, None where it is over."""
        ...

    def close_session(self, cookie: str) -> None:
        """Sign a browser out."""
        ...


Latest = Callable[[str, Sequence[str]], Mapping[str, Point]]
"""(site, facility slugs) → the newest point of each; raises StorageError where the store cannot answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Everything the pages work with; `now_ms` is the hub's time, which a simulation moves."""

    transactions: Transactions
    access: Gate
    latest: Latest
    now_ms: Callable[[], int]
