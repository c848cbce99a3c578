"""Acknowledgements: what the hub has committed of a lane, and how far each SOS has come."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from protocols.envelope import Hex16
from protocols.gaps import LARGEST_SEQ
from protocols.hello import LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S
from protocols.lanes import Lane
from protocols.readings import UptimeMs
from protocols.rejections import MessageReason


class SosStage(StrEnum):
    """How far an SOS has come, in this order."""

    RECEIVED = "received"
    """The hub has committed it."""
    NOTIFIED = "notified"
    """Somebody has been told."""
    HEARD = "heard"
    """A person acknowledged it."""
    ON_THE_WAY = "on_the_way"
    """Its work order is accepted."""
    CLOSED = "closed"


class SosReceipt(BaseModel):
    """How far the press `ref` has come; being listed at all lights *sent*."""

    model_config = ConfigDict(frozen=True)

    ref: str
    seq: Annotated[int, Field(ge=1, lt=LARGEST_SEQ)]
    stage: SosStage
    by: str | None = None
    at: str | None = None


class Ack(BaseModel):
    """All of a lane up to `hw` is committed at the hub; an ack that answers a hello echoes its `uptime_ms`."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True)

    schema_version: Annotated[int, Field(alias="schema")]
    lane: Lane
    epoch: Hex16
    hw: Annotated[int, Field(ge=0, lt=LARGEST_SEQ)]
    hub_id: str
    hub_gen: str
    hub_time: str
    uptime_ms: UptimeMs | None = None
    hello_interval_s: Annotated[float, Field(ge=SHORTEST_INTERVAL_S, le=LONGEST_INTERVAL_S)] | None = None
    sos: list[SosReceipt] | None = None


class Refusal(BaseModel):
    """The hub cannot decode a message of this lane; `hash` is the SHA-256 of the payload in hex."""

    model_config = ConfigDict(frozen=True)

    lane: Lane
    refused: MessageReason
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
