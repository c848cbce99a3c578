"""The lane message: a run of records with contiguous seqs, and how they were stamped."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from protocols.events import Event
from protocols.gaps import LARGEST_SEQ, GapRecord
from protocols.readings import Reading, UptimeMs

SCHEMA: Final = 1
"""The version of this contract."""

Hex16 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""A random 64-bit id: an epoch or a boot."""
Seq = Annotated[int, Field(ge=1, lt=LARGEST_SEQ, strict=True)]


class ClockState(StrEnum):
    """Whether the node's clock was set by a time source when it stamped a record."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"


class Stamp(BaseModel):
    """A node's wall clock and its uptime at one moment; what ties a boot's uptimes to time."""

    model_config = ConfigDict(frozen=True)

    at: Any = None
    uptime_ms: UptimeMs


class LaneHeader(BaseModel):
    """What a lane message says of all its records."""

    model_config = ConfigDict(frozen=True)

    schema_version: Annotated[int, Field(alias="schema", strict=True)]
    epoch: Hex16
    first: Seq
    boot: Hex16
    clock: ClockState
    now: Stamp | None = None
    anchor: Stamp | None = None


class LaneMessage(LaneHeader):
    """Records of one lane in seq order: `first` is the seq of the first, a gap takes the seqs through its `to`."""

    records: list[Annotated[Reading | Event | GapRecord, Field(union_mode="left_to_right")]]
