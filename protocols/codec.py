"""Bytes ⇄ messages with their limits.

What cannot be used comes back as a rejection with its reason, never as an exception. Nearly every message is decoded
in one call; only what that call refuses is looked at record by record, and what holds NaN, Infinity or a number no
float can hold, value by value.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec

from protocols.ack import Ack, Refusal
from protocols.envelope import SCHEMA, LaneHeader, Record, Stamp
from protocols.events import Event
from protocols.gaps import GapRecord
from protocols.hello import Hello
from protocols.lanes import Lane
from protocols.presence import Status
from protocols.readings import Reading
from protocols.rejections import MessageReason, MessageRejection, RecordReason, RecordRejection
from protocols.shape import Shape

LARGEST_MESSAGE_BYTES: Final = 240 * 1024
LARGEST_RECORD_BYTES: Final = 64 * 1024
MOST_RECORDS: Final = 7_000
"""Records that a message of the largest size can hold: the shortest, a gap, takes 35 bytes. More are no records."""
DEEPEST_DETAILS: Final = 200
"""Levels to which the details of an event may nest: who reads them further on counts levels too."""

_UNREADABLE: Final = (ValueError, RecursionError)
"""What a decoder raises; msgspec's errors are ValueErrors since 0.21."""
_SixteenCharacters = Annotated[str, msgspec.Meta(min_length=16, max_length=16)]
_REMEMBERED: Final = 20_000
"""Epochs and boots that need not be looked at again: a node says the same two in every message."""

M = TypeVar("M", bound=Shape)


class DecodedLaneMessage:
    """A lane message whose header can be used.

    Its records in order, those without the contract's shape as rejections.
    """

    __slots__ = ("header", "records")

    def __init__(
        self, header: LaneHeader, records: "list[Record | RecordRejection] | list[Reading] | list[Event]"
    ) -> None:
        """Hold a header and its records."""
        self.header = header
        self.records = records


class _Alike(LaneHeader, frozen=True, kw_only=True):
    """A message whose epoch and boot are looked up, not matched: a pattern costs as much as two records."""

    epoch: _SixteenCharacters
    boot: _SixteenCharacters


class _Readings(_Alike, frozen=True, kw_only=True):
    records: list[Reading]


class _Events(_Alike, frozen=True, kw_only=True):
    records: list[Event]


class _RawRecords(LaneHeader, frozen=True, kw_only=True):
    records: list[msgspec.Raw]


_READINGS: Final = msgspec.json.Decoder(_Readings)
_EVENTS: Final = msgspec.json.Decoder(_Events)
_RAW_RECORDS: Final = msgspec.json.Decoder(_RawRecords)
_HEADER: Final = msgspec.json.Decoder(LaneHeader)
_ACK: Final = msgspec.json.Decoder(Ack)

_READING_FIRST: Final = (Reading, Event, GapRecord)
_EVENT_FIRST: Final = (Event, GapRecord, Reading)
"""What a record is taken for first: what its lane carries."""
_RECORD: Final = {model: msgspec.json.Decoder(model) for model in _READING_FIRST}
_GAP: Final = b'{"gap":'
_HEX: Final = frozenset("0123456789abcdef")


def decode_lane_message(payload: bytes, *, lane: Lane = Lane.TELEMETRY) -> DecodedLaneMessage | MessageRejection:
    """Decode a message of `lane`; one bad record never takes its message with it."""
    if len(payload) > LARGEST_RECORD_BYTES or not payload.isascii():
        rejection = _check_bytes(payload)
        if rejection is not None:
            return rejection
    return _decode_alike(payload, lane) or _decode_record_by_record(payload, lane)


def decode_hello(payload: bytes, *, lane: Lane) -> Hello | MessageRejection:
    """Decode a hello that came on the topic of `lane`; one that names another lane is unusable."""
    decoded = _decode_whole(Hello, payload)
    if isinstance(decoded, Hello):
        if decoded.schema_version != SCHEMA:
            return _unsupported(decoded.schema_version)
        if decoded.lane is not lane:
            return MessageRejection(MessageReason.MALFORMED_JSON, f"lane {decoded.lane} on the topic of lane {lane}")
    return decoded


def decode_status(payload: bytes) -> Status | MessageRejection:
    """Decode a node's presence."""
    return _decode_whole(Status, payload)


def decode_ack(payload: bytes) -> Ack | Refusal | MessageRejection:
    """Decode what the hub says on an acknowledgement topic."""
    rejection = _check_bytes(payload)
    if rejection is not None:
        return rejection
    try:
        return _ACK.decode(payload)
    except _UNREADABLE:
        parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    return _convert(parsed, Refusal if "refused" in parsed else Ack)


def decode_record(raw: bytes, *, lane: Lane = Lane.TELEMETRY) -> Record | RecordRejection:
    """Decode one record of `lane` alone, as an edge checks what it stores and the hub what it releases."""
    if len(raw) > LARGEST_RECORD_BYTES:
        return _record_too_large(raw)
    models = _READING_FIRST if lane is Lane.TELEMETRY else _EVENT_FIRST
    for model in (GapRecord,) if raw.startswith(_GAP) else models:
        try:
            record = _RECORD[model].decode(raw)
        except _UNREADABLE:
            continue
        if _is_text(raw) and not _is_deep(record):
            return record
    try:
        shaped = _shape(_loads(raw), models)
    except ValueError as error:
        shaped = str(error)
    return RecordRejection(RecordReason.SCHEMA_INVALID, shaped, raw) if isinstance(shaped, str) else shaped


def decode_header(encoded: str | bytes) -> LaneHeader:
    """Decode what `encode_header` encoded; raise ValueError for anything else."""
    try:
        return _HEADER.decode(encoded)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encode(message: Shape) -> bytes:
    """Encode a message of the contract as UTF-8 JSON, leaving out what is not set."""
    return _ENCODER.encode(message)


def encode_header(header: LaneHeader) -> bytes:
    """Encode what a lane message says of all its records, without them; a time that is none is left out."""
    now, anchor = (None if stamp is None else _timed(stamp) for stamp in (header.now, header.anchor))
    return _ENCODER.encode(
        LaneHeader(
            schema_version=header.schema_version,
            epoch=header.epoch,
            first=header.first,
            boot=header.boot,
            clock=header.clock,
            now=now,
            anchor=anchor,
        )
    )


def encode_record(record: Record) -> bytes:
    """Encode one record as it stands in a lane message; raise ValueError or TypeError for what JSON cannot say.

    Every record that was decoded can be encoded; what nests too deeply for that is left out. Numbers that are not
    finite become null.
    """
    try:
        return _ENCODER.encode(record)
    except RecursionError:
        return _ENCODER.encode(_flat(record))


def _decode_alike(payload: bytes, lane: Lane) -> DecodedLaneMessage | None:
    """Decode a message whose records all are what its lane carries; None for any other."""
    try:
        if len(payload) > LARGEST_RECORD_BYTES and any(map(_is_large, _RAW_RECORDS.decode(payload).records)):
            return None
        if lane is Lane.TELEMETRY:
            message = _READINGS.decode(payload)
        else:
            message = _EVENTS.decode(payload)
            if any(map(_is_deep, message.records)):
                return None
    except _UNREADABLE:
        return None
    if message.schema_version == SCHEMA and _is_hex(message.epoch) and _is_hex(message.boot):
        return DecodedLaneMessage(message, message.records)
    return None


def _decode_record_by_record(payload: bytes, lane: Lane) -> DecodedLaneMessage | MessageRejection:
    try:
        message = _RAW_RECORDS.decode(payload)
    except _UNREADABLE:
        return _decode_value_by_value(payload, lane)
    if message.schema_version != SCHEMA:
        return _unsupported(message.schema_version)
    if len(message.records) > MOST_RECORDS:
        return _too_many(len(message.records))
    expected = _RECORD[Reading if lane is Lane.TELEMETRY else Event]
    records: list[Record | RecordRejection] = []
    for raw in map(bytes, message.records):
        try:
            record = None if raw.startswith(_GAP) or _is_large(raw) else expected.decode(raw)
        except _UNREADABLE:
            record = None
        records.append(decode_record(raw, lane=lane) if record is None or _is_deep(record) else record)
    return DecodedLaneMessage(message, records)


def _decode_value_by_value(payload: bytes, lane: Lane) -> DecodedLaneMessage | MessageRejection:
    parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    if _is_foreign(parsed.get("schema")):
        return _unsupported(parsed["schema"])
    raw_records: Any = parsed.get("records")
    if not isinstance(raw_records, list):
        return MessageRejection(MessageReason.MALFORMED_JSON, "records must be a list")
    if len(cast("list[Any]", raw_records)) > MOST_RECORDS:
        return _too_many(len(cast("list[Any]", raw_records)))
    header = _convert(parsed, LaneHeader)
    if isinstance(header, MessageRejection):
        return header
    models = _READING_FIRST if lane is Lane.TELEMETRY else _EVENT_FIRST
    records: list[Record | RecordRejection] = []
    for record in cast("list[Any]", raw_records):
        if len(payload) > LARGEST_RECORD_BYTES and len(raw := _dumps(record)) > LARGEST_RECORD_BYTES:
            records.append(_record_too_large(raw))
            continue
        shaped = _shape(record, models)
        if isinstance(shaped, str):
            shaped = RecordRejection(RecordReason.SCHEMA_INVALID, shaped, _dumps(record))
        records.append(shaped)
    return DecodedLaneMessage(header, records)


def _shape(parsed: object, models: tuple[type[Record], ...]) -> Record | str:
    """Return the first of `models` that a parsed record is, else what is wrong with what it means to be."""
    if not isinstance(parsed, dict):
        return "a record must be an object"
    meant = GapRecord if "gap" in parsed else Event if "event" in parsed else Reading
    fault = ""
    for model in models:
        try:
            record = msgspec.convert(parsed, model)
        except _UNREADABLE as error:
            if model is meant:
                fault = str(error)
        else:
            if not _is_deep(record):
                return record
            fault = f"details nest deeper than {DEEPEST_DETAILS} levels"
    return fault


def _decode_whole(model: type[M], payload: bytes) -> M | MessageRejection:
    rejection = _check_bytes(payload)
    if rejection is not None:
        return rejection
    try:
        return msgspec.json.decode(payload, type=model)
    except _UNREADABLE:
        parsed = _parse(payload)
    if isinstance(parsed, MessageRejection):
        return parsed
    if model is Hello and _is_foreign(parsed.get("schema")):
        return _unsupported(parsed["schema"])
    return _convert(parsed, model)


def _convert(parsed: dict[str, Any], model: type[M]) -> M | MessageRejection:
    try:
        return msgspec.convert(parsed, model)
    except _UNREADABLE as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, str(error))


def _check_bytes(payload: bytes) -> MessageRejection | None:
    """Say why a payload cannot be used before it is parsed; who skips an unknown field does not read its text."""
    if len(payload) > LARGEST_MESSAGE_BYTES:
        detail = f"{len(payload)} bytes exceed {LARGEST_MESSAGE_BYTES}"
        return MessageRejection(MessageReason.MESSAGE_TOO_LARGE, detail)
    return None if _is_text(payload) else MessageRejection(MessageReason.MALFORMED_JSON, "the payload is no UTF-8")


def _parse(payload: bytes) -> dict[str, Any] | MessageRejection:
    try:
        parsed = _loads(payload)
    except ValueError as error:
        return MessageRejection(MessageReason.MALFORMED_JSON, str(error))
    if not isinstance(parsed, dict):
        return MessageRejection(MessageReason.MALFORMED_JSON, "the payload must be a JSON object")
    return cast("dict[str, Any]", parsed)


def _loads(raw: bytes) -> object:
    """Parse JSON with NaN, Infinity and numbers of any size; raise ValueError for anything else."""
    text = raw.decode()
    try:
        parsed = json.loads(text)
        if "\\u" in text:
            _ENCODER.encode(parsed)  # half of a surrogate pair parses, and is no text
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return parsed


def _dumps(parsed: object) -> bytes:
    try:
        return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        return b"null"


@lru_cache(maxsize=_REMEMBERED)
def _is_hex(text: str) -> bool:
    return _HEX.issuperset(text)


def _is_text(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_large(raw: bytes) -> bool:
    return len(raw) > LARGEST_RECORD_BYTES


def _is_deep(record: Record) -> bool:
    """Tell whether an event's details nest too deeply to be kept; of a reading only numbers are kept."""
    if not isinstance(record, Event) or not record.details:
        return False
    level: list[Any] = [record.details]
    for _ in range(DEEPEST_DETAILS):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(container: Mapping[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, Mapping) else container


def _flat(record: Record) -> Record:
    """Return a record without what is nested in it."""
    match record:
        case Reading():
            return msgspec.structs.replace(record, at=_scalar(record.at), values=_scalars(record.values))
        case Event():
            return msgspec.structs.replace(record, at=_scalar(record.at), details=_scalars(record.details))
        case GapRecord():
            return record


def _timed(stamp: Stamp) -> Stamp:
    return msgspec.structs.replace(stamp, at=_scalar(stamp.at))


def _scalar(value: object) -> object:
    return None if isinstance(value, dict | list) else value


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if _scalar(value) is value}


def _plain(value: object) -> object:
    """Return a number or text of a library's own type as Python's."""
    for kind in (float, int, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)


def _is_foreign(schema: object) -> bool:
    return type(schema) is int and schema != SCHEMA


def _unsupported(schema: int) -> MessageRejection:
    return MessageRejection(MessageReason.UNSUPPORTED_SCHEMA, f"schema {schema} is not {SCHEMA}")


def _too_many(records: int) -> MessageRejection:
    return MessageRejection(MessageReason.MESSAGE_TOO_LARGE, f"{records} records exceed {MOST_RECORDS}")


def _record_too_large(raw: bytes) -> RecordRejection:
    return RecordRejection(RecordReason.RECORD_TOO_LARGE, f"{len(raw)} bytes exceed {LARGEST_RECORD_BYTES}", raw)
