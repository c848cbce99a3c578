"""Hello: where a lane of a node stands, said on every connect and at the interval the hub asks for."""

from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, field

from protocols.envelope import ClockState, Hex16, Seq
from protocols.lanes import Lane
from protocols.readings import UptimeMs
from protocols.shape import Shape

DEFAULT_INTERVAL_S: Final = {Lane.SOS: 20, Lane.EVENT: 60, Lane.TELEMETRY: 60}
"""Seconds between hellos until an ack asks for another interval."""
SHORTEST_INTERVAL_S: Final = 5
LONGEST_INTERVAL_S: Final = 3600


class NewEpochBecause(StrEnum):
    """Why a node began a new epoch."""

    OUTBOX_LOST = "outbox_lost"
    OUTBOX_CORRUPT = "outbox_corrupt"
    MACHINE_CHANGED = "machine_changed"
    IMAGE_RESTORED = "image_restored"


class Hello(Shape, frozen=True, kw_only=True):
    """Where a lane stands at its node: rows from `min_retained` on can still be read, `next` is the seq to come."""

    schema_version: int = field(name="schema")
    lane: Lane
    epoch: Hex16
    boot: Hex16
    min_retained: Seq
    next: Seq
    at: Any = None
    uptime_ms: UptimeMs
    clock: ClockState
    machine: Annotated[str, Meta(max_length=128)] | None = None
    new_epoch_because: Annotated[
        Annotated[str, Meta(max_length=128)] | None,
        Meta(description="outbox_lost, outbox_corrupt, machine_changed, image_restored, or null"),
    ] = None
    desired_version: Annotated[int, Meta(ge=0)] | None = None
    command_counter: Annotated[int, Meta(ge=0)] | None = None
    interval_s: Annotated[float, Meta(gt=0)] | None = None
