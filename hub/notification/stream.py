"""What the server-sent event stream tells: one row per change, with the REST item; rows are kept for replay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class StreamKind(StrEnum):
    """The kinds of event of the stream."""

    ALERT = "alert"
    WORK_ORDER = "work_order"
    QUARANTINE = "quarantine"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event; `id` rises, `data` is the item as JSON text."""

    id: int
    at_ms: int
    site: str
    event: StreamKind
    data: str


class StreamRepository(Protocol):
    """The rows of the stream."""

    def append(self, event: StreamKind, item: Mapping[str, Any], *, site: str, at_ms: int) -> None:
        """Write one event in the transaction of the change."""
        ...

    def after(self, last_id: int, *, sites: frozenset[str] | None = None, limit: int = 200) -> Sequence[StreamEvent]:
        """Return the events after `last_id` of the sites a caller may see (None: all), oldest first."""
        ...

    def last_id(self) -> int:
        """Return the id of the newest event, 0 where there is none."""
        ...

    def prune(self, before_ms: int) -> int:
        """Forget what is older; return how many events that were."""
        ...
