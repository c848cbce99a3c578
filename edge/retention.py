"""Pure: how short the outbox is of room, and which readings are missed least."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TIGHT_SHARE: Final = 0.80
FULL_SHARE: Final = 0.95
RESERVE_BYTES: Final = 1 << 20
"""Free room kept inside the file on a full disk, so that a call for help always finds a page."""
WINDOW: Final = 8
"""Readings of a device of which thinning keeps the least, the greatest and the last."""


class Room(StrEnum):
    """How much room the outbox has."""

    AMPLE = "ample"
    TIGHT = "tight"
    """Telemetry is thinned."""
    FULL = "full"
    """Telemetry is evicted."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes: of the file and free in it, its limit, free on the disk and to be left free there."""

    file: int
    free_in_file: int
    limit: int
    disk_free: int
    min_disk_free: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored reading: its seq, its device, and its leading value."""

    seq: int
    device: str
    value: float


def room(sizes: Sizes) -> Room:
    """Judge the room. On a short disk the file may not grow: what is new takes the place of what is old in it."""
    used = sizes.file - sizes.free_in_file
    if used >= FULL_SHARE * sizes.limit:
        return Room.FULL
    if sizes.disk_free < sizes.min_disk_free and sizes.free_in_file < RESERVE_BYTES:
        return Room.FULL
    return Room.TIGHT if used >= TIGHT_SHARE * sizes.limit else Room.AMPLE


def thinned(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Return the seqs to give up, as ranges in order: of every window of a device all but least, greatest and last."""
    by_device: dict[str, list[Sample]] = {}
    for sample in samples:
        by_device.setdefault(sample.device, []).append(sample)
    gone: list[int] = []
    for own in by_device.values():
        for start in range(0, len(own) - WINDOW + 1, WINDOW):
            window = own[start : start + WINDOW]
            least = min(window, key=lambda sample: sample.value)
            greatest = max(window, key=lambda sample: sample.value)
            kept = {least.seq, greatest.seq, window[-1].seq}
            gone += [sample.seq for sample in window if sample.seq not in kept]
    return _ranges(sorted(gone))


def _ranges(seqs: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges
