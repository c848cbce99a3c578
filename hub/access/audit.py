"""The audit log: who changed what, when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line; `details` names the fields that were given, never a secret."""

    id: int
    at_ms: int
    person: str | None
    site: str | None
    action: str
    object_id: str
    details: Mapping[str, Any]


class AuditRepository(Protocol):
    """The lines of the audit log."""

    def add(
        self,
        action: str,
        object_id: str,
        *,
        person: str | None,
        site: str | None,
        at_ms: int,
        details: Mapping[str, Any],
    ) -> None:
        """Append a line in the transaction of the change; no person: it was done on the hub's machine itself."""
        ...

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        site: str | None,
        person: str | None,
        action: str | None,
        before: int | None,
        limit: int,
    ) -> Sequence[AuditEntry]:
        """Return lines of the sites a caller may see (None: every site), newest first."""
        ...
