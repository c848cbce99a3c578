from edge.outbox.rows import Row, gap_row
from edge.uplink.message import RECORD_BYTES, compose
from protocols.codec import LARGEST_MESSAGE_BYTES, DecodedLaneMessage, decode_lane_message
from protocols.envelope import ClockState, Stamp
from protocols.gaps import GapReason, GapRecord

EPOCH, BOOT, OTHER = "9f2c4be07a1d3355", "b81e63a0c2d94f17", "0" * 16
NOW = Stamp(at="2026-11-21T08:00:00.120Z", uptime_ms=86_402_120)


def a_row(seq: int, *, boot: str = BOOT, synced: bool = True, anchor: Stamp | None = None, size: int = 0) -> Row:
    body = b'{"device":"d","kind":"lamp","uptime_ms":%d,"values":{"power_w":1.0},"ref":"%s"}' % (
        seq,
        b"x" * (size or 1),
    )
    return Row(seq, seq, boot, synced=synced, body=body, anchor=anchor)


def decoded(payload: bytes) -> DecodedLaneMessage:
    message = decode_lane_message(payload)
    assert isinstance(message, DecodedLaneMessage)
    return message


def test_a_message_never_mixes_boots_or_clock_states() -> None:
    rows = [a_row(1), a_row(2), a_row(3, synced=False), a_row(4, boot=OTHER)]
    assert compose(rows, epoch=EPOCH, boot=BOOT, now=NOW).last == 2
    assert compose(rows[2:], epoch=EPOCH, boot=BOOT, now=NOW).last == 3


def test_now_is_told_only_while_still_in_the_boot_of_the_records() -> None:
    assert decoded(compose([a_row(1)], epoch=EPOCH, boot=BOOT, now=NOW).payload).header.now == NOW
    assert decoded(compose([a_row(1)], epoch=EPOCH, boot=OTHER, now=NOW).payload).header.now is None


def test_an_anchor_goes_with_records_that_were_stamped_without_a_time() -> None:
    anchor = Stamp(at="2026-11-21T08:00:00.000Z", uptime_ms=5_000)
    header = decoded(compose([a_row(1, synced=False, anchor=anchor)], epoch=EPOCH, boot=OTHER, now=NOW).payload).header
    assert (header.clock, header.anchor) == (ClockState.UNSYNCED, anchor)
    assert decoded(compose([a_row(1, anchor=anchor)], epoch=EPOCH, boot=OTHER, now=NOW).payload).header.anchor is None


def test_a_gap_takes_its_seqs_and_goes_with_any_record() -> None:
    rows = [gap_row(5, 90, reason=GapReason.EVICTED, boot=OTHER), a_row(91, synced=False), a_row(92, synced=False)]
    message = compose(rows, epoch=EPOCH, boot=BOOT, now=NOW)
    assert (message.first, message.last, message.records, message.gap_through) == (5, 92, 3, 90)
    header, records = decoded(message.payload).header, decoded(message.payload).records
    assert (header.first, header.boot) == (5, BOOT)
    assert isinstance(records[0], GapRecord)
    assert (records[0].gap.to, records[0].gap.reason) == (90, GapReason.EVICTED)


def test_the_header_fits_in_the_room_that_is_kept_for_it() -> None:
    anchor = Stamp(at="2026-11-21T08:00:00.000Z", uptime_ms=2**53 - 1)
    now = Stamp(at="2026-11-21T08:00:00.000Z", uptime_ms=2**53 - 1)
    row = a_row(2**53 - 1, synced=False, anchor=anchor)
    message = compose([row], epoch=EPOCH, boot=BOOT, now=now)
    assert len(message.payload) - len(row.body) <= LARGEST_MESSAGE_BYTES - RECORD_BYTES
