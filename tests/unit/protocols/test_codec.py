"""The codec's limits and reasons, and the examples of the wire contract."""

import json
from typing import Any

import pytest

from protocols.ack import Ack, Refusal
from protocols.codec import (
    LARGEST_MESSAGE_BYTES,
    DecodedLaneMessage,
    decode_ack,
    decode_hello,
    decode_lane_message,
    decode_record,
    encode,
    encode_record,
)
from protocols.events import Event
from protocols.gaps import GapRecord
from protocols.hello import Hello
from protocols.lanes import Lane
from protocols.readings import Reading, ValueFault, check_values
from protocols.rejections import MessageReason, MessageRejection, RecordReason, RecordRejection

LANE_MESSAGE: dict[str, Any] = {
    "schema": 1,
    "epoch": "9f2c4be07a1d3355",
    "first": 412,
    "boot": "b81e63a0c2d94f17",
    "clock": "synced",
    "now": {"at": "2026-11-21T08:00:00.120Z", "uptime_ms": 86402120},
    "records": [
        {
            "device": "bin-0042-us",
            "kind": "fill_level",
            "at": "2026-11-21T07:59:58.000Z",
            "uptime_ms": 86400123,
            "quality": 95,
            "values": {"distance_mm": 412.0, "fill_percent": 81.0, "temperature_c": 24.5, "battery_percent": 88},
        },
        {"gap": {"to": 5000, "reason": "evicted"}},
        {
            "device": "band-07",
            "event": "sos_pressed",
            "ref": "band-07:1187",
            "at": "2026-11-21T07:59:59.000Z",
            "uptime_ms": 86401123,
            "quality": 100,
            "details": {},
        },
    ],
}
HELLO: dict[str, Any] = {
    "schema": 1,
    "lane": "telemetry",
    "epoch": "9f2c4be07a1d3355",
    "boot": "b81e63a0c2d94f17",
    "min_retained": 101,
    "next": 5213,
    "at": "2026-11-21T08:00:00.000Z",
    "uptime_ms": 86402000,
    "clock": "synced",
    "machine": "10000000a3b1c2d4",
    "new_epoch_because": None,
    "desired_version": 7,
    "command_counter": 41,
    "interval_s": 60,
}
ACK: dict[str, Any] = {
    "schema": 1,
    "lane": "sos",
    "epoch": "9f2c4be07a1d3355",
    "hw": 12,
    "hub_id": "hub-a",
    "hub_gen": "5c0f",
    "hub_time": "2026-11-21T08:00:00.180Z",
    "sos": [{"ref": "band-07:1187", "seq": 12, "stage": "heard", "by": "Duty desk", "at": "2026-11-21T08:00:00.180Z"}],
}


def decoded(message: dict[str, Any]) -> DecodedLaneMessage | MessageRejection:
    return decode_lane_message(json.dumps(message).encode())


def reason_of(message: dict[str, Any] | bytes) -> MessageReason:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    rejection = decode_lane_message(payload)
    assert isinstance(rejection, MessageRejection)
    return rejection.reason


def record_reason(record: object) -> RecordReason:
    rejection = decode_record(json.dumps(record).encode())
    assert isinstance(rejection, RecordRejection)
    return rejection.reason


def test_the_lane_message_of_the_contract_decodes() -> None:
    message = decoded(LANE_MESSAGE)
    assert isinstance(message, DecodedLaneMessage)
    assert [type(record) for record in message.records] == [Reading, GapRecord, Event]
    assert message.header.first == LANE_MESSAGE["first"]


def test_the_hello_and_the_ack_of_the_contract_decode_and_encode_back() -> None:
    hello = decode_hello(json.dumps(HELLO).encode(), lane=Lane.TELEMETRY)
    assert isinstance(hello, Hello)
    assert json.loads(encode(hello)) == {key: value for key, value in HELLO.items() if value is not None}
    ack = decode_ack(json.dumps(ACK).encode())
    assert isinstance(ack, Ack)
    assert json.loads(encode(ack)) == ACK


def test_a_refusal_is_told_from_an_ack() -> None:
    refusal = Refusal(lane=Lane.EVENT, refused=MessageReason.MALFORMED_JSON, hash="0" * 64)
    assert decode_ack(encode(refusal)) == refusal


def test_a_hello_that_names_another_lane_is_unusable() -> None:
    rejection = decode_hello(json.dumps(HELLO).encode(), lane=Lane.SOS)
    assert isinstance(rejection, MessageRejection)
    assert rejection.reason is MessageReason.MALFORMED_JSON


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"null", b'{"schema": 1}', '{"schema": 1, "x": "邻'.encode()[:-1], b"\xff\xfe"],
)
def test_what_is_no_usable_json_object_is_malformed(payload: bytes) -> None:
    assert reason_of(payload) is MessageReason.MALFORMED_JSON


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "xyz"},
        {"epoch": None},
        {"first": 0},
        {"first": 2**53},
        {"first": "1"},
        {"boot": "B81E63A0C2D94F17"},
        {"clock": "maybe"},
        {"records": {}},
        {"schema": "1"},
    ],
)
def test_an_unusable_header_is_malformed(change: dict[str, Any]) -> None:
    assert reason_of({**LANE_MESSAGE, **change}) is MessageReason.MALFORMED_JSON


def test_another_schema_is_told_apart() -> None:
    assert reason_of({**LANE_MESSAGE, "schema": 2}) is MessageReason.UNSUPPORTED_SCHEMA


def test_the_message_limit_is_240_kib_to_the_byte() -> None:
    base = json.dumps({**LANE_MESSAGE, "padding": ""}).encode()
    room = LARGEST_MESSAGE_BYTES - len(base)
    assert isinstance(decoded({**LANE_MESSAGE, "padding": "x" * room}), DecodedLaneMessage)
    assert reason_of({**LANE_MESSAGE, "padding": "x" * (room + 1)}) is MessageReason.MESSAGE_TOO_LARGE


def test_a_record_over_64_kib_is_refused_alone() -> None:
    large = {**LANE_MESSAGE["records"][2], "details": {"text": "x" * 70_000}}
    message = decoded({**LANE_MESSAGE, "records": [LANE_MESSAGE["records"][0], large]})
    assert isinstance(message, DecodedLaneMessage)
    assert isinstance(message.records[0], Reading)
    assert isinstance(message.records[1], RecordRejection)
    assert message.records[1].reason is RecordReason.RECORD_TOO_LARGE


def test_an_edge_cannot_encode_a_record_that_is_too_large() -> None:
    event = Event(device="d", event="tamper", ref="1", details={"text": "x" * 70_000})
    with pytest.raises(ValueError, match="exceeds"):
        encode_record(event)


@pytest.mark.parametrize(
    "record",
    [
        7,
        [],
        {"device": "d"},
        {"device": "d", "kind": "lamp", "values": 3},
        {"device": "d", "event": "tamper"},
        {"device": "d", "kind": "lamp", "values": {}, "quality": 101},
        {"device": "d", "kind": "lamp", "values": {}, "quality": True},
        {"device": "d", "kind": "lamp", "values": {}, "uptime_ms": -1},
        {"gap": {"to": 5, "reason": "lost"}},
        {"gap": {"to": "5", "reason": "evicted"}},
    ],
)
def test_a_record_without_the_contracts_shape_is_schema_invalid(record: object) -> None:
    assert record_reason(record) is RecordReason.SCHEMA_INVALID


def test_nan_and_infinity_parse_and_condemn_their_record_only() -> None:
    raw = json.dumps(LANE_MESSAGE).replace("412.0", "NaN").encode()
    message = decode_lane_message(raw)
    assert isinstance(message, DecodedLaneMessage)
    reading = message.records[0]
    assert isinstance(reading, Reading)
    fault = check_values(reading.kind, reading.values)
    assert isinstance(fault, ValueFault)
    assert fault.reason is RecordReason.NOT_FINITE


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        ("pool", {"x": 1}, RecordReason.UNKNOWN_KIND),
        ("fill_level", {"fill_percent": 100.1}, RecordReason.OUT_OF_RANGE),
        ("fill_level", {"fill_percent": "81"}, RecordReason.SCHEMA_INVALID),
        ("fill_level", {"fill_percent": True}, RecordReason.SCHEMA_INVALID),
        ("fill_level", {"distance_mm": 3}, RecordReason.SCHEMA_INVALID),
        ("lamp", {"power_w": float("-inf")}, RecordReason.NOT_FINITE),
        ("lamp", {"power_w": 3, "on": 2}, RecordReason.SCHEMA_INVALID),
    ],
)
def test_values_that_cannot_be_used_say_why(kind: str, values: dict[str, Any], reason: RecordReason) -> None:
    fault = check_values(kind, values)
    assert isinstance(fault, ValueFault)
    assert fault.reason is reason


def test_an_unknown_field_is_left_out_and_counted() -> None:
    checked = check_values("fill_level", {"fill_percent": 40, "colour": "green", "mood": None})
    assert not isinstance(checked, ValueFault)
    assert (checked.values, checked.left_out) == ({"fill_percent": 40.0}, 2)


def test_a_message_of_one_long_number_is_refused_not_raised() -> None:
    assert reason_of(b'{"schema": ' + b"9" * 10_000 + b"}") in set(MessageReason)
