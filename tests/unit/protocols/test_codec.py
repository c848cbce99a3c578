"""The codec's limits and reasons, and the examples of the wire contract."""

import json
from typing import Any

import pytest

from protocols.ack import Ack, Refusal
from protocols.codec import (
    DEEPEST_DETAILS,
    LARGEST_MESSAGE_BYTES,
    MOST_RECORDS,
    DecodedLaneMessage,
    decode_ack,
    decode_header,
    decode_hello,
    decode_lane_message,
    decode_record,
    decode_status,
    encode,
    encode_header,
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


def test_a_record_over_64_kib_is_refused_by_the_check_of_the_edge_too() -> None:
    event = Event(device="d", event="tamper", ref="1", details={"text": "x" * 70_000})
    rejection = decode_record(encode_record(event), lane=Lane.EVENT)
    assert isinstance(rejection, RecordRejection)
    assert rejection.reason is RecordReason.RECORD_TOO_LARGE


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


READING: bytes = json.dumps(LANE_MESSAGE["records"][0], separators=(",", ":")).encode()
EVENT: bytes = json.dumps(LANE_MESSAGE["records"][2], separators=(",", ":")).encode()
SURROGATE = b'"\\ud800"'


def message_of(*records: bytes, header: bytes = b"") -> bytes:
    head = json.dumps({key: value for key, value in LANE_MESSAGE.items() if key != "records"}).encode()
    return head[:-1] + header + b',"records":[' + b",".join(records) + b"]}"


def outcomes(payload: bytes, *, lane: Lane = Lane.TELEMETRY) -> list[object]:
    """Each record's type, or why it was refused; the reason alone where the whole message was."""
    decoded = decode_lane_message(payload, lane=lane)
    if isinstance(decoded, MessageRejection):
        return [decoded.reason]
    return [record.reason if isinstance(record, RecordRejection) else type(record) for record in decoded.records]


@pytest.mark.parametrize("lane", Lane)
def test_whatever_the_lane_a_record_is_what_it_looks_like(lane: Lane) -> None:
    gap = b'{"gap":{"to":5000,"reason":"evicted"}}'
    assert outcomes(message_of(READING, READING), lane=lane) == [Reading, Reading]
    assert outcomes(message_of(EVENT, EVENT), lane=lane) == [Event, Event]
    assert outcomes(message_of(gap, EVENT, READING, gap), lane=lane) == [GapRecord, Event, Reading, GapRecord]


def test_a_record_that_looks_like_two_things_is_what_its_lane_carries() -> None:
    both = READING[:-1] + b"," + EVENT[1:]
    for records in ([both], [both, b"{}"]):
        assert outcomes(message_of(*records), lane=Lane.TELEMETRY)[0] is Reading
        assert outcomes(message_of(*records), lane=Lane.SOS)[0] is Event


def test_a_press_that_carries_a_kind_of_its_own_is_still_a_press() -> None:
    assert outcomes(message_of(EVENT[:-1] + b',"kind":"button"}'), lane=Lane.SOS) == [Event]


@pytest.mark.parametrize("field", ["first", "schema"])
@pytest.mark.parametrize("value", ["1.0", "1e0", '"1"', "true", "null", "NaN", "1" * 400, "9" * 5_000])
def test_a_number_that_is_no_whole_one_spoils_the_header(field: str, value: str) -> None:
    said = json.dumps({**LANE_MESSAGE, field: 0}).replace(f'"{field}": 0', f'"{field}": {value}', 1)
    reason = reason_of(said.encode())
    unsupported = field == "schema" and value == "1" * 400
    assert reason is (MessageReason.UNSUPPORTED_SCHEMA if unsupported else MessageReason.MALFORMED_JSON)


@pytest.mark.parametrize("field", ["quality", "uptime_ms"])
@pytest.mark.parametrize("value", [b"1.0", b'"1"', b"true", b"-1", b"NaN", b"1e999", b"9" * 400, b"9" * 5_000])
def test_a_number_that_is_no_whole_one_spoils_its_record_only(field: str, value: bytes) -> None:
    at = READING.index(f'"{field}":'.encode()) + len(field) + 3
    end = READING.index(b",", at)
    bad = READING[:at] + value + READING[end:]
    decoded = outcomes(message_of(READING, bad, READING))
    # What no parser reads at all spoils its message where another record needs the second parser.
    assert decoded == [Reading, RecordReason.SCHEMA_INVALID, Reading]
    assert record_reason(json.loads(bad)) is RecordReason.SCHEMA_INVALID if len(value) < 4_300 else True


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b"1e999"])
def test_a_value_that_is_no_number_condemns_its_record_only(value: bytes) -> None:
    decoded = decode_lane_message(message_of(READING, READING.replace(b"412.0", value), EVENT))
    assert isinstance(decoded, DecodedLaneMessage)
    first, bad, third = decoded.records
    assert (type(first), type(third)) == (Reading, Event)
    assert isinstance(bad, Reading)
    fault = check_values(bad.kind, bad.values)
    assert isinstance(fault, ValueFault)
    assert fault.reason is RecordReason.NOT_FINITE


@pytest.mark.parametrize(
    "value", [SURROGATE, b'"\xff"', b'"\xe9\x82"', b'"\n"', b'"\x00"', b"01", b"1.", b"[1,]", b"nul"]
)
@pytest.mark.parametrize("place", [b"ignored", b"ref"])
def test_what_is_no_json_spoils_the_message_also_where_nobody_reads_it(value: bytes, place: bytes) -> None:
    bad = b'{"' + place + b'":' + value + b"," + READING[1:]
    for payload in (message_of(bad), message_of(READING, header=b',"x":' + value), b'{"x":NaN,"y":' + value + b"}"):
        assert reason_of(payload) is MessageReason.MALFORMED_JSON
        for decode in (decode_ack, decode_status):
            rejection = decode(payload)
            assert isinstance(rejection, MessageRejection)
            assert rejection.reason is MessageReason.MALFORMED_JSON


def test_utf_16_and_a_byte_order_mark_are_no_utf_8_json() -> None:
    for payload in (json.dumps(LANE_MESSAGE).encode("utf-16"), json.dumps(LANE_MESSAGE).encode("utf-8-sig")):
        assert reason_of(payload) is MessageReason.MALFORMED_JSON


def test_a_whole_pair_of_surrogates_is_a_character() -> None:
    decoded = decode_record(EVENT.replace(b"band-07:1187", b"\\ud83d\\ude00"))
    assert isinstance(decoded, Event)
    assert decoded.ref == "😀"


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b"9" * 400])
def test_what_is_ignored_may_hold_any_number(value: bytes) -> None:
    assert outcomes(message_of(READING[:-1] + b',"x":' + value + b"}", header=b',"x":' + value)) == [Reading]


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    (twice,) = outcomes(message_of(READING[:-1] + b',"quality":101}'))
    assert twice is RecordReason.SCHEMA_INVALID
    decoded = decode_record(READING[:-1] + b',"values":{"a":1,"a":2}}')
    assert isinstance(decoded, Reading)
    assert decoded.values == {"a": 2}


@pytest.mark.parametrize("at", ["null", "5", '"yesterday"', '{"a":[]}', "NaN"])
def test_a_time_that_is_none_refuses_nothing(at: str) -> None:
    raw = READING.replace(b'"2026-11-21T07:59:58.000Z"', at.encode())
    header = f',"anchor":{{"at":{at},"uptime_ms":5}}'.encode()
    assert outcomes(message_of(raw, header=header)) == [Reading]


@pytest.mark.parametrize("line_end", ["\\n", "\\r"])
def test_an_epoch_with_a_line_end_is_none(line_end: str) -> None:
    said = json.dumps(LANE_MESSAGE).replace("9f2c4be07a1d3355", "9f2c4be07a1d3355" + line_end)
    assert reason_of(said.encode()) is MessageReason.MALFORMED_JSON


@pytest.mark.parametrize(
    "epoch", ["９f2c4be07a1d3355", "9F2C4BE07A1D3355", "9f2c4be07a1d335", "9f2c4be07a1d33556", "+f2c4be07a1d3355"]
)
def test_an_epoch_is_sixteen_small_hex_digits(epoch: str) -> None:
    for records in ([], LANE_MESSAGE["records"], LANE_MESSAGE["records"][:1]):
        assert reason_of({**LANE_MESSAGE, "epoch": epoch, "records": records}) is MessageReason.MALFORMED_JSON


@pytest.mark.parametrize("levels", [100, 500, 5_000])
def test_depth_never_breaks_the_codec(levels: int) -> None:
    deep = b"[" * levels + b"]" * levels
    for payload in (
        deep,
        message_of(READING, header=b',"x":' + deep),
        message_of(READING[:-1] + b',"x":' + deep + b"}"),
    ):
        assert decode_lane_message(payload) is not None
    reading = decode_record(READING.replace(b"412.0", deep))
    if isinstance(reading, Reading):
        assert decode_record(encode_record(reading)) is not None
    header = decode_lane_message(message_of(READING, header=b',"anchor":{"uptime_ms":1,"at":' + deep + b"}"))
    if isinstance(header, DecodedLaneMessage):
        assert decode_header(encode_header(header.header)).anchor is not None


@pytest.mark.parametrize("lane", [Lane.SOS, Lane.TELEMETRY])
def test_details_that_nest_too_deeply_are_refused_alone(lane: Lane) -> None:
    def event(levels: int) -> bytes:
        return EVENT.replace(b'"details":{}', b'"details":' + b'{"a":' * levels + b"1" + b"}" * levels)

    assert outcomes(message_of(event(DEEPEST_DETAILS), EVENT), lane=lane) == [Event, Event]
    assert outcomes(message_of(event(DEEPEST_DETAILS + 1), EVENT), lane=lane) == [RecordReason.SCHEMA_INVALID, Event]


def test_a_refused_record_is_kept_as_it_was_received() -> None:
    bad = b'{"device": 7,  "x": "\xe9\x82\xbb", "n": 1e5}'
    decoded = decode_lane_message(message_of(READING, bad))
    assert isinstance(decoded, DecodedLaneMessage)
    rejection = decoded.records[1]
    assert isinstance(rejection, RecordRejection)
    assert rejection.raw == bad


@pytest.mark.parametrize(
    "extra", [b"", b"," + READING.replace(b"412.0", b"NaN"), b',{"gap":{"to":9000,"reason":"thinned"}}']
)
def test_a_message_over_64_kib_of_small_records_is_decoded_whole_and_its_large_one_refused_alone(extra: bytes) -> None:
    many = b",".join([READING] * 500)
    decoded = outcomes(message_of(many + extra))
    assert decoded[:500] == [Reading] * 500
    assert RecordReason.RECORD_TOO_LARGE not in decoded
    large = READING[:-1] + b',"x":"' + b"x" * 66_000 + b'"}'
    assert outcomes(message_of(READING, large + extra))[:2] == [Reading, RecordReason.RECORD_TOO_LARGE]


def test_a_hello_of_a_later_schema_is_told_apart_whatever_else_it_says() -> None:
    for hello in ({**HELLO, "schema": 2}, {"schema": 2, "lane": 7}):
        rejection = decode_hello(json.dumps(hello).encode(), lane=Lane.TELEMETRY)
        assert isinstance(rejection, MessageRejection)
        assert rejection.reason is MessageReason.UNSUPPORTED_SCHEMA


@pytest.mark.parametrize(("interval_s", "usable"), [(4.9, False), (5, True), (3_600, True), (3_600.1, False)])
def test_an_ack_asks_for_an_interval_of_five_seconds_to_an_hour_or_is_none(interval_s: float, usable: bool) -> None:
    answer = decode_ack(json.dumps({**ACK, "hello_interval_s": interval_s}).encode())
    assert isinstance(answer, Ack) is usable


@pytest.mark.parametrize("interval", ["NaN", "0", "-1", '"60"', "true"])
def test_an_interval_that_is_none_spoils_the_hello(interval: str) -> None:
    said = json.dumps({**HELLO, "interval_s": 7}).replace('"interval_s": 7', f'"interval_s": {interval}')
    rejection = decode_hello(said.encode(), lane=Lane.TELEMETRY)
    assert isinstance(rejection, MessageRejection)
    assert rejection.reason is MessageReason.MALFORMED_JSON


def test_a_record_always_tells_its_quality_and_details_and_never_what_is_not_set() -> None:
    assert json.loads(encode_record(Event(device="d", event="tamper", ref="1"))) == {
        "device": "d",
        "event": "tamper",
        "ref": "1",
        "quality": 100,
        "details": {},
    }
    assert json.loads(encode_record(Reading(device="d", kind="lamp", values={"on": None}))) == {
        "device": "d",
        "kind": "lamp",
        "quality": 100,
        "values": {"on": None},
    }


class Millimetres(float):
    """A number of a library's own type."""


def test_a_number_of_a_librarys_own_type_is_written_as_a_number() -> None:
    record = Reading(device="d", kind="fill_level", values={"distance_mm": Millimetres(412.5)})
    decoded = decode_record(encode_record(record))
    assert isinstance(decoded, Reading)
    assert decoded.values == {"distance_mm": 412.5}


def test_what_json_cannot_say_is_an_error_of_who_asked_for_it() -> None:
    for details in ({"x": object()}, {"x": "\ud800"}):
        with pytest.raises((TypeError, ValueError)):
            encode_record(Event(device="d", event="tamper", ref="1", details=details))


def test_details_that_hold_themselves_are_left_out() -> None:
    details: dict[str, Any] = {"hold_s": 2}
    details["self"] = details
    decoded = decode_record(encode_record(Event(device="d", event="tamper", ref="1", details=details)))
    assert isinstance(decoded, Event)
    assert decoded.details == {"hold_s": 2}


def test_the_header_alone_is_encoded_for_later() -> None:
    message = decoded(LANE_MESSAGE)
    assert isinstance(message, DecodedLaneMessage)
    encoded = encode_header(message.header)
    assert json.loads(encoded) == {key: value for key, value in LANE_MESSAGE.items() if key != "records"}
    assert decode_header(encoded).now == message.header.now


@pytest.mark.parametrize("record", [b"0", b"1e999"])
def test_a_message_of_more_records_than_can_be_in_it_is_refused_whole(record: bytes) -> None:
    head = b'{"schema":1,"epoch":"9f2c4be07a1d3355","first":1,"boot":"b81e63a0c2d94f17","clock":"synced","records":['
    decoded = decode_lane_message(head + b",".join([record] * (MOST_RECORDS + 1)) + b"]}")
    assert isinstance(decoded, MessageRejection)
    assert decoded.reason is MessageReason.MESSAGE_TOO_LARGE
    assert isinstance(decode_lane_message(head + b",".join([record] * 5) + b"]}"), DecodedLaneMessage)
