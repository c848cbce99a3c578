"""Quarantined items as the REST contract and the event stream show them; pure."""

import base64
from typing import Any

from hub.ingest.quarantine import QuarantineItem
from protocols.instant import format_known_ms, format_ms


def present_quarantined(item: QuarantineItem) -> dict[str, Any]:
    """Return an item with its raw bytes in base64."""
    refused = item.refused
    return {
        "id": item.id,
        "received_at": format_ms(refused.received_ms),
        "site": refused.site,
        "node": refused.node,
        "lane": refused.lane,
        "epoch": refused.epoch,
        "seq": refused.seq,
        "reason": str(refused.reason),
        "detail": refused.detail,
        "raw_base64": base64.b64encode(refused.raw).decode("ascii"),
        "count": item.count,
        "state": str(item.state),
        "decided_by": item.decided_by,
        "decided_at": format_known_ms(item.decided_at_ms),
        "comment": item.comment,
    }
