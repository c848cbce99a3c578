"""Why a record or a message is refused: the reasons that quarantine and `refused` answers carry."""

from dataclasses import dataclass
from enum import StrEnum


class RecordReason(StrEnum):
    """Why one record is quarantined; it consumes its seq all the same."""

    UNKNOWN_DEVICE = "unknown_device"
    FOREIGN_DEVICE = "foreign_device"
    """The device is registered at another node."""
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_EVENT = "unknown_event"
    WRONG_LANE = "wrong_lane"
    SCHEMA_INVALID = "schema_invalid"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    """Outside the plausible range of its field; never clamped."""
    RECORD_TOO_LARGE = "record_too_large"
    HUB_FAILED = "hub_failed"
    """The hub's own code failed on it: held until the hub is mended."""


class MessageReason(StrEnum):
    """Why a whole message is quarantined raw; it moves no seq."""

    MALFORMED_JSON = "malformed_json"
    """No UTF-8 JSON object, or one whose header cannot be used."""
    UNSUPPORTED_SCHEMA = "unsupported_schema"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNKNOWN_NODE = "unknown_node"


Reason = RecordReason | MessageReason


@dataclass(frozen=True, slots=True)
class MessageRejection:
    """A message that cannot be used at all."""

    reason: MessageReason
    detail: str


@dataclass(frozen=True, slots=True)
class RecordRejection:
    """A record that cannot be used, in a message that can; `raw` is its JSON as received."""

    reason: RecordReason
    detail: str
    raw: bytes
