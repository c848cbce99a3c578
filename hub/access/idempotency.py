"""Answers kept by idempotency key: the same request again gets the same answer, and does nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

KEPT_MS: Final = 24 * 3_600_000
"""How long an answer is kept."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given, and the hash of the request it was given to."""

    request_hash: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotencyRepository(Protocol):
    """The kept answers."""

    def find(self, person: str, key: str, *, since_ms: int) -> KeptAnswer | None:
        """Return the answer that the person got under the key since then, or None."""
        ...

    def keep(self, person: str, key: str, answer: KeptAnswer, *, at_ms: int) -> None:
        """Keep an answer in the transaction of what it tells, and forget those that are too old."""
        ...
