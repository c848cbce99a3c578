"""The codec: what an edge encodes the hub decodes the same; any bytes at all give a message or a rejection."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import (
    DecodedLaneMessage,
    decode_ack,
    decode_hello,
    decode_lane_message,
    decode_record,
    decode_status,
    encode_record,
)
from protocols.events import Event, EventName
from protocols.gaps import Gap, GapReason, GapRecord
from protocols.lanes import Lane
from protocols.readings import KINDS, CheckedValues, Flag, Number, Reading, ValueFault, check_values
from protocols.rejections import MessageRejection, RecordRejection

HEADER: dict[str, Any] = {
    "schema": 1,
    "epoch": "9f2c4be07a1d3355",
    "first": 1,
    "boot": "b81e63a0c2d94f17",
    "clock": "synced",
}
names = st.text(min_size=1, max_size=20)
refs = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
instants = st.one_of(st.none(), st.just("2026-11-21T08:00:00.000Z"), st.text(max_size=20), st.integers())
uptimes = st.one_of(st.none(), st.integers(0, 2**53 - 1))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def values_of(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, spec in KINDS[kind].items():
        if spec.required or draw(st.booleans()):
            values[name] = draw(st.booleans() if isinstance(spec, Flag) else st.floats(spec.low, spec.high))
    return values


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return Reading(
        device=draw(names),
        kind=kind,
        at=draw(instants),
        uptime_ms=draw(uptimes),
        quality=draw(st.integers(0, 100)),
        values=draw(values_of(kind)),
        ref=draw(st.one_of(st.none(), refs)),
    )


events = st.builds(
    Event,
    device=names,
    event=st.sampled_from(EventName).map(str),
    ref=refs,
    at=instants,
    uptime_ms=uptimes,
    quality=st.integers(0, 100),
    details=st.dictionaries(names, st.integers(), max_size=3),
)
gap_records = st.builds(GapRecord, gap=st.builds(Gap, to=st.integers(1, 2**53 - 1), reason=st.sampled_from(GapReason)))
records = st.one_of(readings(), events, gap_records)


def message_of(raw_records: list[bytes]) -> bytes:
    return (json.dumps(HEADER)[:-1] + ', "records": [').encode() + b",".join(raw_records) + b"]}"


@given(records)
def test_a_record_decodes_to_what_was_encoded(record: Reading | Event | GapRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(st.lists(records, max_size=6))
def test_a_lane_message_keeps_its_records_and_their_order(produced: list[Reading | Event | GapRecord]) -> None:
    decoded = decode_lane_message(message_of([encode_record(record) for record in produced]))
    assert isinstance(decoded, DecodedLaneMessage)
    assert decoded.records == produced


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_one_bad_record_never_takes_its_message_with_it(
    produced: list[Reading | Event | GapRecord], data: st.DataObject
) -> None:
    raw = [encode_record(record) for record in produced]
    place = data.draw(st.integers(0, len(raw)))
    raw.insert(place, b'{"device": 7}')
    decoded = decode_lane_message(message_of(raw))
    assert isinstance(decoded, DecodedLaneMessage)
    bad = decoded.records.pop(place)
    assert isinstance(bad, RecordRejection)
    assert decoded.records == produced


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_rejection(payload: bytes) -> None:
    assert isinstance(decode_lane_message(payload), DecodedLaneMessage | MessageRejection)
    assert decode_hello(payload, lane=Lane.SOS) is not None
    assert decode_ack(payload) is not None
    assert decode_status(payload) is not None


@given(st.lists(json_values, max_size=4), json_values, st.sampled_from(sorted(HEADER)))
def test_any_json_gives_a_message_or_a_rejection(items: list[Any], value: Any, key: str) -> None:
    payload = json.dumps({**HEADER, key: value, "records": items}).encode()
    decoded = decode_lane_message(payload)
    if isinstance(decoded, DecodedLaneMessage):
        assert len(decoded.records) == len(items)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_plausible_values_pass_unchanged_and_no_other_value_is_clamped(kind: str, data: st.DataObject) -> None:
    values = data.draw(values_of(kind))
    checked = check_values(kind, values)
    assert isinstance(checked, CheckedValues)
    assert checked.values == values
    numbers = [name for name, spec in KINDS[kind].items() if isinstance(spec, Number)]
    name = data.draw(st.sampled_from(numbers))
    spec = KINDS[kind][name]
    assert isinstance(spec, Number)
    outside = data.draw(st.sampled_from([spec.low - 1, spec.high + 1, float("nan"), float("inf"), "81", True, None]))
    assert isinstance(check_values(kind, {**values, name: outside}), ValueFault)
