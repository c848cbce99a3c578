"""Quarantine: what was refused, kept raw with its reason until a person releases or discards it."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import from_json, to_json

from protocols.rejections import Reason


class QuarantineState(StrEnum):
    """What became of a quarantined item."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Refused:
    """A record (with `epoch` and `seq`) or a message (without seq, once per `raw_hash`) that was refused."""

    received_ms: int
    site: str
    node: str
    """As received."""
    lane: str | None
    epoch: str | None
    seq: int | None
    reason: Reason
    detail: str
    raw: bytes
    raw_hash: str | None = None
    header: str | None = None
    """JSON of the lane header that stamped a record, for its release."""


@dataclass(frozen=True, slots=True)
class QuarantineItem:
    """A row of the quarantine."""

    id: str
    refused: Refused
    count: int
    state: QuarantineState
    decided_by: str | None
    decided_at_ms: int | None
    comment: str | None


def payload_hash(payload: bytes) -> str:
    """Return the SHA-256 of a payload in hex, as `refused` answers carry it."""
    return hashlib.sha256(payload).hexdigest()


def content_hash(payload: bytes) -> str:
    """Return a hash that stays the same when a message is sent again: `now` is renewed each time and left out."""
    try:
        parsed = from_json(payload)
    except ValueError:
        return payload_hash(payload)
    if isinstance(parsed, dict) and "now" in parsed:
        del parsed["now"]
        return payload_hash(to_json(parsed))
    return payload_hash(payload)
