"""Pure: the lane message as bytes, joined from record bytes that the strict codec checked when they were stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.outbox.rows import Row
from protocols.codec import LARGEST_MESSAGE_BYTES, encode
from protocols.envelope import SCHEMA, ClockState, Stamp

HEADER_BYTES: Final = 512
"""Room kept for everything but the records."""
RECORD_BYTES: Final = LARGEST_MESSAGE_BYTES - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Message:
    """One lane message: its bytes, the seqs it takes, and the last seq of a gap in it."""

    payload: bytes
    first: int
    last: int
    records: int
    gap_through: int | None


def record_bytes(largest_packet: int | None) -> int:
    """Room for records in a message; `largest_packet` is the broker's limit, None where it names none."""
    return RECORD_BYTES if largest_packet is None else min(RECORD_BYTES, largest_packet - 1_024)


def compose(rows: Sequence[Row], *, epoch: str, boot: str, now: Stamp) -> Message:
    """Join the longest run at the head of `rows` that was stamped alike; `now` is told while still in that boot.

    A gap was stamped by nobody and goes with any record.
    """
    run: list[Row] = []
    stamped: Row | None = None
    for row in rows:
        if not row.is_gap:
            if stamped is None:
                stamped = row
            elif (row.boot, row.synced) != (stamped.boot, stamped.synced):
                break
        run.append(row)
    origin = stamped or run[0]
    clock = ClockState.SYNCED if origin.synced else ClockState.UNSYNCED
    head = f'{{"schema":{SCHEMA},"epoch":"{epoch}","first":{run[0].first},"boot":"{origin.boot}","clock":"{clock}"'
    if origin.boot == boot:
        head += f',"now":{encode(now).decode()}'
    if origin.anchor is not None and not origin.synced:
        head += f',"anchor":{encode(origin.anchor).decode()}'
    payload = b"".join((head.encode(), b',"records":[', b",".join(row.body for row in run), b"]}"))
    gaps = [row.last for row in run if row.is_gap]
    return Message(
        payload=payload, first=run[0].first, last=run[-1].last, records=len(run), gap_through=max(gaps, default=None)
    )
