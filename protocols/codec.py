"""Bytes ⇄ messages with their limits.

What cannot be used comes back as a rejection with its reason, never as an exception.
"""

import json
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from protocols.ack import Ack, Refusal
from protocols.envelope import SCHEMA, LaneHeader, LaneMessage
from protocols.events import Event
from protocols.gaps import GapRecord
from protocols.hello import Hello
from protocols.lanes import Lane
from protocols.presence import Status
from protocols.readings import Reading
from protocols.rejections import MessageReason, MessageRejection, RecordReason, RecordRejection

LARGEST_MESSAGE_BYTES: Final = 240 * 1024
LARGEST_RECORD_BYTES: Final = 64 * 1024

Record = Reading | Event | GapRecord
"""A record that has the shape of the contract; whether it can be used is the hub's question."""


M = TypeVar("M", bound=BaseModel)


class DecodedLaneMessage:
    """A lane message whose header can be used.

    Its records in order, those without the contract's shape as rejections.
    """

    __slots__ = ("header", "records")

    def __init__(self, header: LaneHeader, records: "list[Record | RecordRejection] | list[Record]") -> None:
        """Hold a header and its records."""
        self.header = header
        self.records = records


_MESSAGE: Final[TypeAdapter[LaneMessage]] = TypeAdapter(LaneMessage)


def decode_lane_message(payload: bytes) -> DecodedLaneMessage | MessageRejection:
    """Decode a lane message; one bad record never takes its message with it."""
    size = len(payload)
    if size > LARGEST_MESSAGE_BYTES:
        return _too_large(size)
    if size <= LARGEST_RECORD_BYTES:
        try:
            message = _MESSAGE.validate_json(payload)
        except ValidationError:
            pass
        else:
            if message.schema_version == SCHEMA:
                return DecodedLaneMessage(message, message.records)
    return _decode_record_by_record(payload)


def decode_hello(payload: bytes, *, lane: Lane) -> Hello | MessageRejection:
    """Decode a hello that came on the topic of `lane`; one that names another lane is unusable."""
    decoded = _decode_whole(Hello, payload)
    if isinstance(decoded, Hello) and decoded.lane is not lane:
        return MessageRejection(MessageReason.MALFORMED_JSON, f"lane {decoded.lane} on the topic of lane {lane}")
    return decoded


def decode_status(payload: bytes) -> Status | MessageRejection:
    """Decode a node's presence."""
    return _decode_whole(Status, payload, versioned=False)


def decode_ack(payload: bytes) -> Ack | Refusal | MessageRejection:
    """Decode what the hub says on an acknowledgement topic."""
    parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    try:
        return Refusal.model_validate(parsed) if "refused" in parsed else Ack.model_validate(parsed)
    except ValidationError as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, _first_error(error))


def encode(message: BaseModel) -> bytes:
    """Encode a message of the contract as UTF-8 JSON, leaving out what is not set."""
    return message.model_dump_json(exclude_none=True, by_alias=True).encode()


def encode_record(record: Record) -> bytes:
    """Encode one record as it stands in a lane message; raise ValueError where the contract has no room for it."""
    encoded = record.model_dump_json(exclude_none=True).encode()
    if len(encoded) > LARGEST_RECORD_BYTES:
        message = f"a record of {len(encoded)} bytes exceeds {LARGEST_RECORD_BYTES}"
        raise ValueError(message)
    return encoded


def decode_record(raw: bytes) -> Record | RecordRejection:
    """Decode one record alone, as an edge checks what it stores and the hub what it releases from quarantine."""
    try:
        parsed = from_json(raw)
    except ValueError as error:
        return RecordRejection(RecordReason.SCHEMA_INVALID, str(error), raw)
    return _decode_record(parsed)


def _decode_record_by_record(payload: bytes) -> DecodedLaneMessage | MessageRejection:
    parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    if parsed.get("schema") != SCHEMA and type(parsed.get("schema")) is int:
        return MessageRejection(MessageReason.UNSUPPORTED_SCHEMA, f"schema {parsed['schema']} is not {SCHEMA}")
    raw_records: Any = parsed.get("records")
    if not isinstance(raw_records, list):
        return MessageRejection(MessageReason.MALFORMED_JSON, "records must be a list")
    try:
        header = LaneHeader.model_validate(parsed)
    except ValidationError as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, _first_error(error))
    return DecodedLaneMessage(header, [_decode_record(raw) for raw in cast("list[Any]", raw_records)])


def _decode_record(parsed: Any) -> Record | RecordRejection:
    raw = _dump(parsed)
    if len(raw) > LARGEST_RECORD_BYTES:
        return RecordRejection(RecordReason.RECORD_TOO_LARGE, f"{len(raw)} bytes exceed {LARGEST_RECORD_BYTES}", raw)
    if not isinstance(parsed, dict):
        return RecordRejection(RecordReason.SCHEMA_INVALID, "a record must be an object", raw)
    model = GapRecord if "gap" in parsed else Event if "event" in parsed else Reading
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        return RecordRejection(RecordReason.SCHEMA_INVALID, _first_error(error), raw)


def _decode_whole(model: type[M], payload: bytes, *, versioned: bool = True) -> M | MessageRejection:
    if len(payload) > LARGEST_MESSAGE_BYTES:
        return _too_large(len(payload))
    parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    if versioned and parsed.get("schema") != SCHEMA and type(parsed.get("schema")) is int:
        return MessageRejection(MessageReason.UNSUPPORTED_SCHEMA, f"schema {parsed['schema']} is not {SCHEMA}")
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, _first_error(error))


def _parse(payload: bytes) -> dict[str, Any] | MessageRejection:
    try:
        parsed = from_json(payload)
    except ValueError as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, str(error))
    if not isinstance(parsed, dict):
        return MessageRejection(MessageReason.MALFORMED_JSON, "the payload must be a JSON object")
    return cast("dict[str, Any]", parsed)


def _dump(parsed: object) -> bytes:
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _too_large(size: int) -> MessageRejection:
    return MessageRejection(MessageReason.MESSAGE_TOO_LARGE, f"{size} bytes exceed {LARGEST_MESSAGE_BYTES}")


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
