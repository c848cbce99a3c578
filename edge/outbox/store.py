"""The outbox's one writer: append, read for sending, mark done, begin epochs."""

import sqlite3
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime

from edge.errors import OutboxError
from edge.outbox.rows import Call, CallStage, Draft, LaneMarks, Row, gap_row
from edge.outbox.schema import LANE_NUMBERS
from protocols.envelope import Stamp
from protocols.gaps import GapReason
from protocols.hello import NewEpochBecause
from protocols.instant import format_instant
from protocols.lanes import Lane

KEEP_DONE_MS = 72 * 3_600_000
"""How long done rows are kept for a hub that is restored from a backup (`wire.md` §3)."""
_PRUNE_AT_ONCE = 2_000
_MARK_EVERY_MS = 600_000


class Outbox:
    """One node's outbox; what `append` returns from is on the disk. Use from one thread."""

    def __init__(self, connection: sqlite3.Connection, *, boot: str, new_epoch: Callable[[], str]) -> None:
        """Take over an opened and checked file."""
        self._db = connection
        self._new_epoch = new_epoch
        self._boot = boot
        self._boots: dict[int, tuple[str, Stamp | None]] = {}
        self._marks = self._read_marks()
        self._opened_next = {lane: marks.next for lane, marks in self._marks.items()}
        self._unsaved: set[Lane] = set()
        self._last_mark_ms = {lane: self._newest_mark_ms(lane) for lane in Lane}
        with self._transaction():
            self._db.execute("INSERT INTO boots (boot) VALUES (?) ON CONFLICT DO NOTHING", (boot,))
        self._read_boots()
        self._boot_id = next(number for number, (known, _) in self._boots.items() if known == boot)

    @property
    def epoch(self) -> str:
        """The epoch of every lane."""
        epoch = self.fact("epoch")
        assert epoch is not None  # checked at opening
        return epoch

    @property
    def because(self) -> NewEpochBecause | None:
        """Why this epoch was begun; None for the first."""
        text = self.fact("because")
        return NewEpochBecause(text) if text else None

    @property
    def boot(self) -> str:
        """The boot that new records are stamped with."""
        return self._boot

    @property
    def home(self) -> str | None:
        """The home hub's id, once known."""
        return self.fact("home")

    def marks(self, lane: Lane) -> LaneMarks:
        """Where the lane stands."""
        return self._marks[lane]

    def min_retained(self, lane: Lane) -> int:
        """The lowest seq that can still be read; the next one where none can."""
        query = "SELECT seq FROM records WHERE lane = ? ORDER BY seq LIMIT 1"
        row = self._db.execute(query, (LANE_NUMBERS[lane],)).fetchone()
        return row[0] if row else self._marks[lane].next

    def append(
        self, drafts: Sequence[Draft], *, at: datetime, uptime_ms: int, synced: bool, flowing: Collection[Lane] = ()
    ) -> None:
        """Commit records in order, each with the next seq of its lane; those of `flowing` lanes may leave at once."""
        marks = dict(self._marks)
        rows: list[tuple[int, int, int, int, bytes]] = []
        for draft in drafts:
            lane = marks[draft.lane]
            rows.append((LANE_NUMBERS[draft.lane], lane.next, self._boot_id, int(synced), draft.body))
            released = lane.next if draft.lane in flowing else lane.released
            marks[draft.lane] = LaneMarks(lane.next + 1, lane.done, released)
        calls = [
            (draft.call.ref, draft.call.device, draft.call.event, format_instant(at), uptime_ms, self._boot)
            for draft in drafts
            if draft.call is not None
        ]
        with self._transaction():
            self._db.executemany("INSERT INTO records VALUES (?, ?, NULL, ?, ?, ?)", rows)
            for call in calls:
                self._db.execute("DELETE FROM calls WHERE ref = ? AND closed_at IS NOT NULL", (call[0],))
                self._db.execute(
                    "INSERT INTO calls (ref, device, event, stored_at, stored_ms, boot) VALUES (?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    call,
                )
            self._save_marks(marks, {draft.lane for draft in drafts} | self._unsaved)
        self._marks = marks
        self._unsaved.clear()

    def release(self, lane: Lane, through: int) -> None:
        """Commit that everything up to `through` may have left this node from now on."""
        old = self._marks[lane]
        self._set(lane, LaneMarks(old.next, old.done, max(old.released, through)))

    def mark_done(self, lane: Lane, through: int, *, hub_ms: int | None) -> None:
        """Note the home hub's high-water mark, also a lower one; saved with the next commit or `save`."""
        old = self._marks[lane]
        self._marks[lane] = LaneMarks(old.next, through, old.released)
        self._unsaved.add(lane)
        number = LANE_NUMBERS[lane]
        if through < old.done:
            with self._transaction():
                self._db.execute("DELETE FROM done_marks WHERE lane = ? AND seq > ?", (number, through))
                self._save_marks(self._marks, {lane})
            self._last_mark_ms[lane] = self._newest_mark_ms(lane)
        elif hub_ms is not None and hub_ms - self._last_mark_ms[lane] >= _MARK_EVERY_MS:
            with self._transaction():
                self._db.execute("INSERT OR REPLACE INTO done_marks VALUES (?, ?, ?)", (number, through, hub_ms))
                self._save_marks(self._marks, {lane})
            self._last_mark_ms[lane] = hub_ms

    def save(self) -> bool:
        """Commit marks that were only noted; tell whether there were any."""
        if not self._unsaved:
            return False
        with self._transaction():
            self._save_marks(self._marks, self._unsaved)
        self._unsaved.clear()
        return True

    def read(self, lane: Lane, first: int, *, most: int, most_bytes: int) -> list[Row]:
        """Return rows from `first` on without a hole, at least one where any is left; what is gone comes as a gap."""
        if first >= self._marks[lane].next:
            return []
        number = LANE_NUMBERS[lane]
        rows: list[Row] = []
        covering = self._db.execute(
            "SELECT through, body FROM records WHERE lane = ? AND seq < ? AND through >= ? ORDER BY seq DESC LIMIT 1",
            (number, first, first),
        ).fetchone()
        if covering is not None:
            through, reason = covering
            rows.append(gap_row(first, through, reason=GapReason(reason.decode()), boot=self._boot))
            first = through + 1
        size = 0
        query = (
            "SELECT seq, through, boot, synced, body FROM records WHERE lane = ? AND seq >= ? AND seq < ?"
            " ORDER BY seq LIMIT ?"
        )
        bounds = (number, first, self._marks[lane].next, most - len(rows))
        for seq, through, boot_id, synced, body in self._db.execute(query, bounds):
            size += len(body) + 1
            if rows and size > most_bytes:
                break
            if seq > first:
                rows.append(gap_row(first, seq - 1, reason=GapReason.EVICTED, boot=self._boot))
            boot, anchor = self._boots[boot_id]
            if through is None:
                rows.append(Row(seq, seq, boot, synced=bool(synced), body=body, anchor=anchor))
                first = seq + 1
            else:
                rows.append(gap_row(seq, through, reason=GapReason(body.decode()), boot=self._boot))
                first = through + 1
        if not rows and first < self._marks[lane].next:
            rows.append(gap_row(first, self._marks[lane].next - 1, reason=GapReason.EVICTED, boot=self._boot))
        return rows

    def declare_gap(self, lane: Lane, first: int, last: int, *, reason: GapReason) -> None:
        """Commit that the rows from `first` through `last` are gone, joined to a gap of the same reason before them."""
        number = LANE_NUMBERS[lane]
        with self._transaction():
            before = self._db.execute(
                "SELECT seq FROM records WHERE lane = ? AND through = ? AND body = ?",
                (number, first - 1, reason.value.encode()),
            ).fetchone()
            start = before[0] if before else first
            self._db.execute("DELETE FROM records WHERE lane = ? AND seq BETWEEN ? AND ?", (number, start, last))
            self._db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, 1, ?)",
                (number, start, last, self._boot_id, reason.value.encode()),
            )

    def prune(self, *, hub_ms: int | None) -> int:
        """Delete a bounded number of rows that have been done for 72 h of the hub's time; return how many went."""
        if hub_ms is None:
            return 0
        gone = 0
        for lane, number in LANE_NUMBERS.items():
            (old,) = self._db.execute(
                "SELECT max(seq) FROM done_marks WHERE lane = ? AND at_ms <= ?", (number, hub_ms - KEEP_DONE_MS)
            ).fetchone()
            if old is not None:
                gone += self.drop_done(lane, through=old)
        return gone

    def drop_done(self, lane: Lane, *, through: int | None = None) -> int:
        """Delete a bounded number of the oldest done rows, up to `through`; return how many went."""
        number = LANE_NUMBERS[lane]
        limit = min(self._marks[lane].done, through if through is not None else self._marks[lane].done)
        rows = self._db.execute(
            "SELECT seq FROM records WHERE lane = ? AND coalesce(through, seq) <= ? ORDER BY seq LIMIT ?",
            (number, limit, _PRUNE_AT_ONCE),
        ).fetchall()
        if rows:
            with self._transaction():
                self._db.execute("DELETE FROM records WHERE lane = ? AND seq <= ?", (number, rows[-1][0]))
                self._db.execute("DELETE FROM done_marks WHERE lane = ? AND seq <= ?", (number, rows[-1][0]))
        return len(rows)

    def begin_epoch(self, reason: NewEpochBecause) -> str:
        """Begin a new epoch: rows not done move into it, and calls since opening whatever an ack said of their seqs."""
        epoch = self._new_epoch()
        marks: dict[Lane, LaneMarks] = {}
        with self._transaction():
            for lane, number in LANE_NUMBERS.items():
                old = self._marks[lane]
                keep = min(old.done, self._opened_next[lane] - 1) if lane is Lane.SOS else old.done
                self._db.execute(
                    "UPDATE records SET seq = ? WHERE lane = ? AND seq <= ? AND through > ?",
                    (keep + 1, number, keep, keep),
                )
                self._db.execute("DELETE FROM records WHERE lane = ? AND seq <= ?", (number, keep))
                # Two steps, so that no row ever meets the key of one that has not moved yet.
                self._db.execute(
                    "UPDATE records SET seq = -(seq - ?), through = through - ? WHERE lane = ?", (keep, keep, number)
                )
                self._db.execute("UPDATE records SET seq = -seq WHERE lane = ?", (number,))
                marks[lane] = LaneMarks(old.next - keep, 0, 0)
            self._db.execute("DELETE FROM done_marks")
            self._write_fact("epoch", epoch)
            self._write_fact("because", reason.value)
            self._save_marks(marks, set(Lane))
        self._marks = marks
        self._opened_next = dict.fromkeys(Lane, 1)
        self._unsaved.clear()
        self._last_mark_ms = dict.fromkeys(Lane, 0)
        return epoch

    def set_anchor(self, *, at: datetime, uptime_ms: int) -> None:
        """Commit when this boot learnt the time."""
        with self._transaction():
            self._db.execute(
                "UPDATE boots SET anchor_at = ?, anchor_uptime_ms = ? WHERE id = ?",
                (format_instant(at), uptime_ms, self._boot_id),
            )
        self._read_boots()

    def fact(self, name: str) -> str | None:
        """A stored fact of this name."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_fact(self, name: str, value: str) -> None:
        """Commit a fact."""
        with self._transaction():
            self._write_fact(name, value)

    def calls(self) -> list[Call]:
        """Every call that is followed, oldest first."""
        rows = self._db.execute(
            "SELECT ref, device, event, stored_at, stored_ms, boot, sent_at, heard_at, heard_by, coming_at, closed_at"
            " FROM calls ORDER BY stored_at, ref"
        )
        return [Call(*row) for row in rows]

    def forget_calls(self, *, before: str) -> None:
        """Delete calls that were closed before this instant."""
        with self._transaction():
            self._db.execute("DELETE FROM calls WHERE closed_at < ?", (before,))

    def mark_call(self, ref: str, stage: CallStage, *, at: str, by: str | None = None) -> bool:
        """Commit that a call has reached a stage; False when it had before, or is not one of ours."""
        column = f"{stage.value}_at"
        with self._transaction():
            changed = self._db.execute(
                f"UPDATE calls SET {column} = ?, heard_by = coalesce(?, heard_by) WHERE ref = ? AND {column} IS NULL",  # noqa: S608 a column of the enum
                (at, by if stage is not CallStage.SENT else None, ref),
            ).rowcount
        return changed > 0

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
        return (pages - free) * size

    def give_back(self, *, pages: int) -> None:
        """Return free pages to the file system."""
        self._db.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()

    def close(self) -> None:
        """Commit what is noted, say that all is well, and close the file; idempotent."""
        try:
            self.save()
            self.set_fact("clean", "1")
        except sqlite3.ProgrammingError:
            return
        self._db.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise OutboxError(f"outbox: {error}") from error

    def _set(self, lane: Lane, marks: LaneMarks) -> None:
        with self._transaction():
            self._save_marks({lane: marks}, {lane})
        self._marks[lane] = marks
        self._unsaved.discard(lane)

    def _save_marks(self, marks: dict[Lane, LaneMarks], lanes: Collection[Lane]) -> None:
        self._db.executemany(
            "UPDATE lanes SET next = ?, done = ?, released = ? WHERE lane = ?",
            [(marks[lane].next, marks[lane].done, marks[lane].released, LANE_NUMBERS[lane]) for lane in lanes],
        )

    def _write_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _read_marks(self) -> dict[Lane, LaneMarks]:
        rows = {row[0]: LaneMarks(*row[1:]) for row in self._db.execute("SELECT lane, next, done, released FROM lanes")}
        return {lane: rows[number] for lane, number in LANE_NUMBERS.items()}

    def _read_boots(self) -> None:
        for number, boot, at, uptime_ms in self._db.execute("SELECT id, boot, anchor_at, anchor_uptime_ms FROM boots"):
            self._boots[number] = (boot, None if at is None else Stamp(at=at, uptime_ms=uptime_ms))

    def _newest_mark_ms(self, lane: Lane) -> int:
        query = "SELECT coalesce(max(at_ms), 0) FROM done_marks WHERE lane = ?"
        return self._db.execute(query, (LANE_NUMBERS[lane],)).fetchone()[0]


_SIZES = ("page_count", "freelist_count", "page_size")
