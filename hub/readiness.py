"""Whether the hub's parts are fit for work, as `/readyz` tells it."""

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """How a part is."""

    OK = "ok"
    DEGRADED = "degraded"
    """It is away, and nothing is lost meanwhile."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """What a readiness check says of one part."""

    condition: Condition
    detail: str | None = None
