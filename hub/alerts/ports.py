"""What alerts ask of the state database; every method works inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.alerts.alert import Alert, AlertLogEntry, AlertState, Press
from hub.vocabulary import FaultCode, Severity, Sight
from protocols.ack import SosReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """Which alerts to list, newest first.

    `sites` narrows to these sites and `sight` to what the caller may see (None: everything), `before` is the last id of
    the former page.
    """

    sites: frozenset[str] | None = None
    sight: Sight | None = None
    state: AlertState | None = None
    facility: str | None = None
    fault_code: FaultCode | None = None
    severity: Severity | None = None
    before: str | None = None
    limit: int = 50


class AlertRepository(Protocol):
    """Alerts and their log."""

    def get(self, alert_id: str) -> Alert | None:
        """Return the alert, or None."""
        ...

    def open_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        """Return the alert of this identity that is not closed, or None."""
        ...

    def last_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        """Return the alert of this identity that was closed last, or None."""
        ...

    def of_order(self, work_order: str) -> Sequence[Alert]:
        """Return the alerts of a work order, oldest first."""
        ...

    def find(self, query: AlertQuery) -> Sequence[Alert]:
        """Return at most `query.limit` alerts, newest first."""
        ...

    def add(self, alert: Alert) -> None:
        """Store a new alert; raises `ConflictError` where another of its identity is open."""
        ...

    def save(self, alert: Alert) -> None:
        """Store the next version of an alert; raises `StaleVersionError` where the stored one is not the one before."""
        ...

    def log(self, *entries: AlertLogEntry) -> None:
        """Append to the log."""
        ...

    def log_of(self, alert_id: str) -> Sequence[AlertLogEntry]:
        """Return the log of an alert, oldest first."""
        ...

    def due(self, at_ms: int) -> Sequence[Alert]:
        """Return the alerts whose `wake_at_ms` has come."""
        ...

    def any_due(self, at_ms: int) -> bool:
        """Tell whether `due` would return something."""
        ...


@dataclass(frozen=True, slots=True)
class HeardPress:
    """A press that was heard before: its alert and its effective time."""

    alert: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What makes two records one call: (device, event, ref), whichever node heard it.

    Where the source is unknown (`device` None) nobody vouches that two nodes mean the same device: the node counts too.
    """

    site: str
    node: str
    device: str | None
    said_device: str | None
    event: str
    ref: str


class PressRepository(Protocol):
    """Life-safety records and what their wearers are told."""

    def add(self, press: Press) -> None:
        """Store that the record belongs to the alert."""
        ...

    def heard(self, fact: Fact) -> HeardPress | None:
        """Return where a fact went when it was last heard, or None."""
        ...

    def of_alert(self, alert_id: str) -> Sequence[Press]:
        """Return the presses of an alert, in order of arrival."""
        ...

    def receipts(self, site: str, node: str, at_ms: int) -> list[SosReceipt]:
        """Return how far the presses of the node have come whose alert is open at `at_ms`, or was 10 minutes before."""
        ...
