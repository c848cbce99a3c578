"""Making room in the outbox: old rows that are done, then telemetry thinned, then evicted; never a call or event."""

from typing import Final

from edge.outbox.database import LANE_NUMBERS
from edge.outbox.store import Outbox
from edge.retention import Sample, thinned
from protocols.codec import decode_record
from protocols.gaps import GapReason
from protocols.lanes import Lane
from protocols.readings import KINDS, Reading

KEEP_DONE_MS: Final = 72 * 3_600_000
"""How long done rows are kept for a hub that is restored from a backup (`wire.md` §3)."""
AT_ONCE: Final = 1_000
"""Rows touched in one step, so that a call for help never waits for house-cleaning."""
_MEASURED: Final = {kind: next(iter(fields)) for kind, fields in KINDS.items()}
"""The value of each kind whose extremes are worth keeping: its first, required one."""


class Clearing:
    """Steps that make room; each is bounded and says whether it found something to do."""

    def __init__(self, outbox: Outbox, *, at_once: int = AT_ONCE) -> None:
        self._outbox = outbox
        self._at_once = at_once
        self._database = outbox.database
        self._thinned_through = 0

    def drop_aged(self, *, hub_ms: int) -> bool:
        """Delete rows that have been done for 72 h of the home hub's time."""
        found = False
        for lane, number in LANE_NUMBERS.items():
            (old,) = self._database.row(
                "SELECT max(seq) FROM done_marks WHERE lane = ? AND at_ms <= ?", (number, hub_ms - KEEP_DONE_MS)
            )
            if old is not None:
                found = self._drop_through(lane, old) or found
        return found

    def drop_done(self, lane: Lane) -> bool:
        """Delete the oldest done rows of a lane before their time."""
        return self._drop_through(lane, self._outbox.marks(lane).done)

    def thin(self) -> bool:
        """Thin the oldest telemetry that is neither done nor thinned yet; what goes leaves gaps `thinned`.

        What does not fill a step is left until it does: among a few readings there is no window, and while new ones
        come for ever there would always be something to do, and never an eviction.
        """
        first = max(self._thinned_through, self._outbox.marks(Lane.TELEMETRY).done) + 1
        rows = self._outbox.read(Lane.TELEMETRY, first, most=self._at_once, most_bytes=1 << 30)
        if len(rows) < self._at_once:
            return False
        self._thinned_through = rows[-1].last
        samples = [sample for row in rows if not row.is_gap and (sample := _sample(row.first, row.body)) is not None]
        gone = thinned(samples)
        if gone:
            self._outbox.declare_gaps(Lane.TELEMETRY, gone, reason=GapReason.THINNED)
        return True

    def evict(self) -> bool:
        """Give up the oldest telemetry that is not done; it leaves one gap `evicted`."""
        first = self._outbox.marks(Lane.TELEMETRY).done + 1
        rows = self._outbox.read(Lane.TELEMETRY, first, most=self._at_once, most_bytes=1 << 30)
        if len(rows) < 2 and all(row.is_gap for row in rows):
            return False
        self._outbox.declare_gap(Lane.TELEMETRY, rows[0].first, rows[-1].last, reason=GapReason.EVICTED)
        return True

    def sizes(self) -> tuple[int, int]:
        """Bytes of the file, and how many of them are free for new rows."""
        pages, free, size = (
            self._database.row(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return pages * size, free * size

    def give_back(self, *, pages: int) -> None:
        """Return free pages to the file system; raises OutboxError."""
        self._database.give_back(pages=pages)

    def _drop_through(self, lane: Lane, through: int) -> bool:
        number = LANE_NUMBERS[lane]
        through = min(through, self._outbox.marks(lane).done)
        rows = self._database.rows(
            "SELECT seq FROM records WHERE lane = ? AND coalesce(through, seq) <= ? ORDER BY seq LIMIT ?",
            (number, through, self._at_once),
        )
        if not rows:
            return False
        with self._database.transaction():
            for table in ("records", "done_marks"):
                self._database.run(f"DELETE FROM {table} WHERE lane = ? AND seq <= ?", (number, rows[-1][0]))  # noqa: S608 two names above
        return True


def _sample(seq: int, body: bytes) -> Sample | None:
    record = decode_record(body)
    if not isinstance(record, Reading):
        return None
    value = record.values.get(_MEASURED.get(record.kind, ""))
    return Sample(seq=seq, device=record.device, value=float(value)) if isinstance(value, int | float) else None
