"""Calls for help that the disk does not take, sent from memory; pure.

They go in the sos lane under an epoch of their own, which no file knows and no hello is said for: a seq of it can never
come again for another call, and the hub takes no epoch of the node for closed. Once they can be stored, the outbox
sends them as well; the hub knows them by their `ref` (`wire.md` §4), so each is one alert.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edge.outbox.rows import Row
from edge.uplink.lane import LONGEST_SOS_RESEND_MS, SOS_RESEND_MS


@dataclass(frozen=True, slots=True)
class MemoryCall:
    """A record of the sos lane: its name (event and ref are one fact), its bytes, and how it was stamped."""

    ref: str
    event: str
    body: bytes
    synced: bool


@dataclass(frozen=True, slots=True)
class MemoryLane:
    """What is held, in the order of its seqs from 1; `taken` are those of which a hub said that it has them."""

    epoch: str = ""
    calls: tuple[MemoryCall, ...] = ()
    taken: frozenset[int] = frozenset()
    due_ms: int | None = None
    wait_ms: int = SOS_RESEND_MS

    def has_sent(self, ref: str) -> bool:
        """Whether a hub has everything that is held of this ref."""
        seqs = [seq for seq, call in enumerate(self.calls, start=1) if call.ref == ref]
        return bool(seqs) and self.taken.issuperset(seqs)


def hold(lane: MemoryLane, calls: Sequence[MemoryCall], *, epoch: str, at_ms: int) -> MemoryLane:
    """Hold what is new of `calls`, to be sent at once; `epoch` is the lane's where it holds nothing yet."""
    known = {(call.ref, call.event) for call in lane.calls}
    new = tuple(call for call in calls if (call.ref, call.event) not in known)
    if not new:
        return lane
    own = lane.epoch if lane.calls else epoch
    return replace(lane, epoch=own, calls=lane.calls + new, due_ms=at_ms, wait_ms=SOS_RESEND_MS)


def connected(lane: MemoryLane, *, at_ms: int) -> MemoryLane:
    """The connection is new: what is owed is sent at once."""
    return lane if lane.due_ms is None else replace(lane, due_ms=at_ms, wait_ms=SOS_RESEND_MS)


def due(lane: MemoryLane, *, at_ms: int) -> tuple[MemoryLane, int | None]:
    """Return the lane, and the seq from which on it is sent now."""
    if lane.due_ms is None or at_ms < lane.due_ms:
        return lane, None
    later = replace(lane, due_ms=at_ms + lane.wait_ms, wait_ms=min(LONGEST_SOS_RESEND_MS, 2 * lane.wait_ms))
    return later, _owed(lane)[0]


def answered(lane: MemoryLane, *, epoch: str, high_water: int, refs: Collection[str]) -> MemoryLane:
    """A hub acknowledged this epoch through `high_water` and lists these calls."""
    through = high_water if epoch == lane.epoch else 0
    taken = lane.taken.union(
        seq
        for seq, call in enumerate(lane.calls, start=1)
        if seq <= through or (call.ref in refs and not _answers(call))
    )
    after = replace(lane, taken=taken)
    return after if _owed(after) else replace(after, due_ms=None)


def rows(lane: MemoryLane, first: int, *, boot: str) -> list[Row]:
    """Return what is held from `first` on, as an outbox would."""
    return [
        Row(first=seq, last=seq, boot=boot, synced=call.synced, body=call.body)
        for seq, call in enumerate(lane.calls, start=1)
        if seq >= first
    ]


def _owed(lane: MemoryLane) -> list[int]:
    return [seq for seq in range(1, len(lane.calls) + 1) if seq not in lane.taken]


def _answers(call: MemoryCall) -> bool:
    """Whether a list of calls says nothing of this record: a cancellation has its call's ref."""
    return call.event.endswith("_cancelled")
