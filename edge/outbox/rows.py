"""What goes into the outbox and what comes out of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, TypeGuard

from protocols.codec import decode_record, encode_record
from protocols.envelope import Stamp
from protocols.events import Event, EventName
from protocols.gaps import Gap, GapReason, GapRecord
from protocols.lanes import Lane

CALLS: Final = frozenset({EventName.SOS_PRESSED.value, EventName.FALL_DETECTED.value})
"""Events that open a call."""
DISTRUSTED: Final = "distrusted:"
"""Begins the name of the fact that a boot's clock proved wrong although it was set: uptime dates its records."""


_ID: Final = re.compile(r"[0-9a-f]{16}")
_LARGEST_UPTIME_MS: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be stored: its encoded bytes, and for an SOS press or a fall the call that it opens."""

    lane: Lane
    body: bytes
    call: "NewCall | None" = None


@dataclass(frozen=True, slots=True)
class NewCall:
    """An SOS or fall whose way to a person is followed."""

    ref: str
    device: str
    event: str


class CallStage(StrEnum):
    """How far a call has come, as the hub told."""

    SENT = "sent"
    HEARD = "heard"
    COMING = "coming"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Call:
    """A followed SOS or fall: instants as on the wire, `stored_ms` in uptime of `boot`."""

    ref: str
    device: str
    event: str
    stored_at: str
    stored_ms: int
    boot: str
    sent_at: str | None = None
    heard_at: str | None = None
    heard_by: str | None = None
    coming_at: str | None = None
    closed_at: str | None = None


CALL_COLUMNS: Final = ", ".join(field.name for field in fields(Call))
"""Of the table of calls, in the order of the fields."""


@dataclass(frozen=True, slots=True)
class LaneMarks:
    """Where a lane stands: the seq to come, the home hub's high-water mark, and the highest seq that may have left."""

    next: int
    done: int
    released: int


@dataclass(frozen=True, slots=True)
class Row:
    """A stored record, or a gap that takes the seqs from `first` through `last`."""

    first: int
    last: int
    boot: str
    synced: bool
    body: bytes
    anchor: Stamp | None = None
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A record saved from another outbox file, with how it was stamped."""

    lane: Lane
    boot: str
    anchor: Stamp | None
    synced: bool
    body: bytes


def call_event(body: bytes) -> Event | None:
    """The press or fall that a record of the sos lane is; None of any other."""
    event = decode_record(body, lane=Lane.SOS)
    return event if isinstance(event, Event) and event.event in CALLS else None


def gap_row(first: int, last: int, *, reason: GapReason, boot: str) -> Row:
    """Return the row that declares the seqs from `first` through `last` lost."""
    body = encode_record(GapRecord(gap=Gap(to=last, reason=reason)))
    return Row(first=first, last=last, boot=boot, synced=True, body=body, is_gap=True)


def is_id(text: object) -> TypeGuard[str]:
    """Whether this can be the name of a boot or an epoch."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def boot_of(row: Sequence[Any]) -> tuple[int, str, Stamp | None] | None:
    """The boot that a row (id, boot, anchor's instant and uptime) is; None where a bit of it has flipped."""
    number, boot, at, uptime_ms = row
    if not isinstance(number, int) or not is_id(boot):
        return None
    if isinstance(at, str) and isinstance(uptime_ms, int) and 0 <= uptime_ms < _LARGEST_UPTIME_MS:
        return number, boot, Stamp(at=at, uptime_ms=uptime_ms)
    return number, boot, None


def call_of(row: Sequence[Any]) -> Call | None:
    """The followed call that a row in the order of its fields is; None where a bit of it has flipped."""
    ref, device, event, stored_at, stored_ms, boot, *marks = row
    texts = (ref, device, event, stored_at, boot)
    fits = isinstance(stored_ms, int) and all(isinstance(text, str) for text in texts)
    return Call(*row) if fits and all(mark is None or isinstance(mark, str) for mark in marks) else None
