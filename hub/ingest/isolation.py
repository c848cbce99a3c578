"""A lane message that breaks the hub's own code, taken apart until the record that breaks it stands alone; pure."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from hub.ingest.decoding import LaneItem
from hub.ingest.lane import place
from protocols.codec import DecodedLaneMessage, encode_record
from protocols.envelope import Record
from protocols.rejections import RecordReason, RecordRejection


def halves(item: LaneItem) -> tuple[LaneItem, LaneItem]:
    """Return a message of several records as two, each record under the seq it had."""
    header, records = item.message.header, item.message.records
    middle = len(records) // 2
    first = place(header.first, records)[middle][0]
    return _with(item, header.first, records[:middle]), _with(item, first, records[middle:])


def set_aside(item: LaneItem) -> LaneItem | None:
    """Return a message of one record with that record refused; None where it was, and is no better for it."""
    (record,) = item.message.records
    if isinstance(record, RecordRejection):
        if record.reason is RecordReason.HUB_FAILED:
            return None
        raw = record.raw
    else:
        raw = encode_record(record)
    detail = "the hub failed on this record; its log says where"
    refused = RecordRejection(RecordReason.HUB_FAILED, detail, raw)
    return _with(item, item.message.header.first, [refused])


def _with(item: LaneItem, first: int, records: Sequence[Record | RecordRejection]) -> LaneItem:
    header = msgspec.structs.replace(item.message.header, first=first)
    return replace(item, message=DecodedLaneMessage(header, list(records)))
