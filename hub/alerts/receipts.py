"""What the wearer of a wristband is told of a press (`wire.md` §4)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.ack import SosReceipt, SosStage
from protocols.codec import encode
from protocols.instant import format_ms

MOST_READ: Final = 2_000
"""The newest of a node, as many as may be on their way at once; older ones only where they are a device's last."""
MOST_BYTES: Final = 200_000
"""What an answer lists, so that it fits into an MQTT packet of 256 KiB: a broker hangs up on who sends a larger one.

`wire.md` names no limit; a button that hangs and calls every few seconds reaches it in some hours.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressProgress:
    """How far the alert and the order of a press have come; people by the names they show."""

    ref: str
    seq: int
    received_at_ms: int
    notified_at_ms: int | None = None
    acknowledged_at_ms: int | None = None
    acknowledged_by: str | None = None
    accepted_at_ms: int | None = None
    """When a crew accepted the order; None also once the order is cancelled."""
    accepted_by: str | None = None
    closed_at_ms: int | None = None


def receipt(progress: PressProgress) -> SosReceipt:
    """Return the furthest stage, since when, and by whom somebody heard.

    A press that came after the alert was acknowledged has been heard by nobody yet.
    """
    heard_by = progress.acknowledged_by or progress.accepted_by
    heard_at_ms = progress.acknowledged_at_ms
    if progress.closed_at_ms is not None:
        return _receipt(progress, SosStage.CLOSED, progress.closed_at_ms, heard_by)
    if progress.accepted_at_ms is not None:
        return _receipt(progress, SosStage.ON_THE_WAY, progress.accepted_at_ms, progress.accepted_by or heard_by)
    if heard_at_ms is not None and heard_at_ms >= progress.received_at_ms:
        return _receipt(progress, SosStage.HEARD, heard_at_ms, progress.acknowledged_by)
    if progress.notified_at_ms is not None:
        return _receipt(progress, SosStage.NOTIFIED, progress.notified_at_ms, None)
    return _receipt(progress, SosStage.RECEIVED, progress.received_at_ms, None)


def fitting(told: Sequence[tuple[Hashable, SosReceipt]]) -> list[SosReceipt]:
    """Return what an answer lists of (device, receipt), both oldest first: each device's last, then the newest."""
    last = {device: number for number, (device, _) in enumerate(told)}
    ranked = sorted(range(len(told)), key=lambda number: (last[told[number][0]] == number, number), reverse=True)
    kept: list[int] = []
    left = MOST_BYTES
    for number in ranked:
        left -= len(encode(told[number][1])) + 1
        if left < 0:
            break
        kept.append(number)
    return [told[number][1] for number in sorted(kept)]


def _receipt(progress: PressProgress, stage: SosStage, at_ms: int, by: str | None) -> SosReceipt:
    return SosReceipt(ref=progress.ref, seq=progress.seq, stage=stage, by=by, at=format_ms(at_ms))
