import pytest

from edge.outbox.packing import DamagedRecordError, pack, unpack
from protocols.codec import encode_record
from protocols.events import Event
from protocols.readings import KINDS, Reading

AT, UPTIME_MS = "2026-11-28T23:59:58.123Z", 691_199_876
LEVEL = Reading(
    device="bin-0042-us",
    kind="fill_level",
    quality=95,
    values={"distance_mm": 412.7, "fill_percent": 81.3, "temperature_c": 24.5, "battery_percent": 88.0},
    at=AT,
    uptime_ms=UPTIME_MS,
)
PRESS = Event(
    device="band-07", event="sos_pressed", ref="band-07:1187", details={"held_ms": 712}, at=AT, uptime_ms=UPTIME_MS
)


def test_a_usual_reading_takes_a_third_of_its_bytes() -> None:
    body = encode_record(LEVEL)
    assert len(pack(body)) < len(body) / 3


@pytest.mark.parametrize("kind", ["fill_level", "lamp", "vitals", "node_health"])
def test_every_kind_of_reading_that_is_in_use_takes_less_than_half(kind: str) -> None:
    body = encode_record(
        Reading(device="d-17", kind=kind, values=dict.fromkeys(KINDS[kind], 41.7), at=AT, uptime_ms=UPTIME_MS)
    )
    assert len(pack(body)) < len(body) / 2


@pytest.mark.parametrize("body", [encode_record(LEVEL), encode_record(PRESS), b"{}", b"{" + bytes(range(256)) * 400])
def test_what_was_packed_comes_back_byte_for_byte(body: bytes) -> None:
    assert unpack(pack(body)) == body


def test_what_gains_nothing_is_kept_as_it_is() -> None:
    assert pack(b"{}") == b"{}"


def test_the_dictionary_of_files_that_are_out_there_stays_as_it_is() -> None:
    """Changed, it would spoil every record in every outbox: add another one instead."""
    kept = bytes.fromhex(
        "018dcfc10dc0200c03c08d22c549c0660ef69f05f55701957a1bdc1149fcad7022466914cd115ba5c95d626faf8beab3920eeb7b866e71"
        "6c9056970ef96c16"
    )
    assert unpack(kept) == encode_record(LEVEL)


@pytest.mark.parametrize(
    "kept",
    [b"", b"\x02abc", pack(encode_record(LEVEL))[:-3], pack(encode_record(LEVEL)) + b"x", b"\x01" + b"\xff" * 40],
    ids=["nothing", "another dictionary", "cut short", "too long", "noise"],
)
def test_what_the_medium_has_spoilt_is_seen(kept: bytes) -> None:
    with pytest.raises(DamagedRecordError):
        unpack(kept)
