"""The lane message: a run of records with contiguous seqs, and how they were stamped."""

from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, field

from protocols.events import Event
from protocols.gaps import LARGEST_SEQ, GapRecord
from protocols.readings import Reading, UptimeMs
from protocols.shape import Shape

SCHEMA: Final = 1
"""The version of this contract."""

Hex16 = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$", max_length=16)]
"""A random 64-bit id: an epoch or a boot; the length keeps out the line end that `$` lets pass."""
Seq = Annotated[int, Meta(ge=1, lt=LARGEST_SEQ)]


Record = Reading | Event | GapRecord
"""A record that has the shape of the contract; whether it can be used is the hub's question."""


class ClockState(StrEnum):
    """Whether the node's clock was set by a time source when it stamped a record."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"


class Stamp(Shape, frozen=True, kw_only=True):
    """A node's wall clock and its uptime at one moment; what ties a boot's uptimes to time."""

    at: Any = None
    uptime_ms: UptimeMs


class LaneHeader(Shape, frozen=True, kw_only=True):
    """What a lane message says of all its records."""

    schema_version: int = field(name="schema")
    epoch: Hex16
    first: Seq
    boot: Hex16
    clock: ClockState
    now: Stamp | None = None
    anchor: Stamp | None = None


class LaneMessage(LaneHeader, frozen=True, kw_only=True):
    """Records of one lane in seq order: `first` is the seq of the first, a gap takes the seqs through its `to`."""

    records: list[Record]
