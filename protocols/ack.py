"""Acknowledgements: what the hub has committed of a lane, and how far each SOS has come."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from protocols.envelope import Hex16
from protocols.gaps import LARGEST_SEQ
from protocols.hello import LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S
from protocols.lanes import Lane
from protocols.readings import UptimeMs
from protocols.rejections import MessageReason
from protocols.shape import Shape


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


class SosReceipt(Shape, frozen=True, kw_only=True):
    """How far the press `ref` has come; being listed at all lights *sent*."""

    ref: str
    seq: Annotated[int, Meta(ge=1, lt=LARGEST_SEQ)]
    stage: SosStage
    by: str | None = None
    at: str | None = None


class Ack(Shape, frozen=True, kw_only=True):
    """All of a lane up to `hw` is committed at the hub; an ack that answers a hello echoes its `uptime_ms`."""

    schema_version: int = field(name="schema")
    lane: Lane
    epoch: Hex16
    hw: Annotated[int, Meta(ge=0, lt=LARGEST_SEQ)]
    hub_id: str
    hub_gen: str
    hub_time: str
    uptime_ms: UptimeMs | None = None
    hello_interval_s: Annotated[float, Meta(ge=SHORTEST_INTERVAL_S, le=LONGEST_INTERVAL_S)] | None = None
    sos: list[SosReceipt] | None = None


class Refusal(Shape, frozen=True, kw_only=True):
    """The hub cannot decode a message of this lane; `hash` is the SHA-256 of the payload in hex."""

    lane: Lane
    refused: MessageReason
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]
