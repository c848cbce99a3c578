"""Where messages come from: MQTT in production, a list in tests; ingest knows nothing of brokers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it arrived."""

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False
    """The broker's copy of an earlier message: a fact about the past, no sign of life."""


Deliver = Callable[[Incoming], None]


class Source(Protocol):
    """Something that delivers messages from its own thread."""

    def start(self, deliver: Deliver) -> None:
        """Begin to deliver."""
        ...

    def stop(self) -> None:
        """Deliver nothing more; idempotent."""
        ...


class Publisher(Protocol):
    """Something that sends to nodes."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at most once: every answer here is repeated on the next hello."""
        ...
