"""What work orders ask of the state database; every method works inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.vocabulary import FaultCode, Sight, Skill, Subject
from hub.workorders.order import OrderLogEntry, OrderState, WorkOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which orders to list, newest first.

    `sites` narrows to these sites and `sight` to what the caller may see (None: everything), `before` is the last id of
    the former page; `crews` narrows to the orders of these crews, None: whatever the crew.
    """

    sites: frozenset[str] | None = None
    sight: Sight | None = None
    state: OrderState | None = None
    crews: frozenset[str] | None = None
    facility: str | None = None
    before: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CrewLoad:
    """A crew that could do it, and how many orders it has that are not over."""

    crew: str
    open_orders: int


class OrderRepository(Protocol):
    """Work orders and their log."""

    def get(self, order_id: str) -> WorkOrder | None:
        """Return the order, or None."""
        ...

    def open_of(self, subject_key: str, fault_class: str) -> WorkOrder | None:
        """Return the order of this subject and fault class that is not over, or None."""
        ...

    def find(self, query: OrderQuery) -> Sequence[WorkOrder]:
        """Return at most `query.limit` orders, newest first."""
        ...

    def add(self, order: WorkOrder) -> None:
        """Store a new order; raises `ConflictError` where another of its subject and class is open."""
        ...

    def save(self, order: WorkOrder) -> None:
        """Store the next version of an order; raises `StaleVersionError` where the stored one is not the one before."""
        ...

    def log(self, *entries: OrderLogEntry) -> None:
        """Append to the log."""
        ...

    def log_of(self, order_id: str) -> Sequence[OrderLogEntry]:
        """Return the log of an order, oldest first."""
        ...

    def due(self, at_ms: int) -> Sequence[WorkOrder]:
        """Return the orders whose `wake_at_ms` has come."""
        ...

    def any_due(self, at_ms: int) -> bool:
        """Tell whether `due` would return something."""
        ...

    def able_crews(self, site: str, skill: Skill) -> Sequence[CrewLoad]:
        """Return the crews of the site that have the skill and are not retired."""
        ...

    def has_crew(self, site: str, crew: str) -> bool:
        """Tell whether the crew is one of the site and not retired."""
        ...

    def time_zone(self, site: str) -> str:
        """Return the IANA name of the site's time zone, `UTC` where the site is not registered."""
        ...


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a proof may take after `done`, and a review after that, in seconds."""

    verify_window_s: float
    review_s: float


class RuleParametersPort(Protocol):
    """The parameters in force for a subject: facility before grid before site before the defaults."""

    def windows(self, subject: Subject, fault_code: FaultCode) -> Windows:
        """Return `verify_window_s` and `review_s` of the fault code at the subject."""
        ...
