"""The outbox at work: append, read for sending, mark done, begin epochs."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from edge.errors import OutboxError
from edge.outbox.callbook import CallBook
from edge.outbox.database import LANE_NUMBERS, Database
from edge.outbox.packing import DamagedRecordError, pack, unpack
from edge.outbox.reserve import Reserve
from edge.outbox.rows import DISTRUSTED, Call, Draft, LaneMarks, Row, Salvaged, boot_of, call_event, gap_row, is_id
from protocols.envelope import Stamp
from protocols.gaps import GapReason
from protocols.hello import NewEpochBecause
from protocols.instant import format_instant
from protocols.lanes import Lane

_MARK_EVERY_MS: Final = 600_000
"""Grain in which it is noted when rows were done; they are kept for 72 h."""
_LOOKED_BACK: Final = 1_000
"""Records of calls among which one that the hub passed over is looked for: a button that hangs makes thousands."""
_BEFORE: Final = "lane = ? AND seq = (SELECT max(seq) FROM records WHERE lane = ? AND seq < ?)"
"""The row before a seq: a gap that reaches it can be no other, and no question may walk through a million rows."""


class Outbox:
    """One node's outbox; what `append` returns from is on the disk. Use from one thread."""

    def __init__(self, database: Database, *, boot: str, new_epoch: Callable[[], str]) -> None:
        """Take over an opened and checked file."""
        self._database = database
        self._new_epoch = new_epoch
        self._boot = boot
        self.calls = CallBook(database)
        self.reserve: Reserve | None = None
        """Room that an append may take on a full disk."""
        self._marks = self._read_marks()
        self._facts = self._read_facts()
        self._opened_next = {lane: marks.next for lane, marks in self._marks.items()}
        self._unsaved: set[Lane] = set()
        self._said_again: set[str] = set()
        self._last_mark_ms = {lane: self._newest_mark_ms(lane) for lane in Lane}
        self._boots: dict[int, tuple[str, Stamp | None]] = {}
        self._distrusted = {name.removeprefix(DISTRUSTED) for name in self._facts if name.startswith(DISTRUSTED)}
        with database.transaction():
            self._boot_id = self._boot_number(boot)
        self._read_boots()

    @property
    def database(self) -> Database:
        """The file itself."""
        return self._database

    @property
    def spoilt(self) -> str | None:
        """What proved the file corrupt while it was open; from then on every commit raises OutboxError."""
        return self._database.spoilt

    @property
    def epoch(self) -> str:
        """The epoch of every lane."""
        return self._facts["epoch"]

    @property
    def because(self) -> NewEpochBecause | None:
        """Why this epoch was begun; None for the first."""
        text = self._facts.get("because")
        return NewEpochBecause(text) if text else None

    @property
    def boot(self) -> str:
        """The boot that new records are stamped with."""
        return self._boot

    @property
    def anchor(self) -> Stamp | None:
        """When this boot learnt the time."""
        return self._boots[self._boot_id][1]

    @property
    def home(self) -> str | None:
        """The home hub's id, once known."""
        return self._facts.get("home")

    def fact(self, name: str) -> str | None:
        """A stored fact of this name."""
        return self._facts.get(name)

    def set_fact(self, name: str, value: str) -> None:
        """Commit a fact."""
        with self._database.transaction():
            self._write_fact(name, value)
        self._facts[name] = value

    def forget_fact(self, name: str) -> None:
        """Commit that a fact holds no more."""
        with self._database.transaction():
            self._database.run("DELETE FROM facts WHERE name = ?", (name,))
        self._facts.pop(name, None)

    def marks(self, lane: Lane) -> LaneMarks:
        """Where the lane stands."""
        return self._marks[lane]

    def min_retained(self, lane: Lane) -> int:
        """The lowest seq that can still be read; the next one where none can."""
        (lowest,) = self._database.row("SELECT min(seq) FROM records WHERE lane = ?", (LANE_NUMBERS[lane],))
        if lowest is None:
            return self._marks[lane].next
        if not isinstance(lowest, int):
            raise self._database.proven_spoilt("a seq is no number")
        return lowest

    def append(
        self, drafts: Sequence[Draft], *, at: datetime, uptime_ms: int, synced: bool, flowing: Collection[Lane] = ()
    ) -> None:
        """Commit records in order, each with the next seq of its lane; those of `flowing` lanes may leave at once."""

        def commit() -> dict[Lane, LaneMarks]:
            stamped = [(draft.lane, self._boot_id, synced, draft.body) for draft in drafts]
            with self._database.transaction():
                marks = self._insert(stamped, flowing=flowing)
                calls = [draft.call for draft in drafts if draft.call is not None]
                self.calls.add(calls, at=format_instant(at), uptime_ms=uptime_ms, boot=self._boot)
            return marks

        try:
            marks = commit()
        except OutboxError:
            if self.reserve is None or not self.reserve.give_up():
                raise
            marks = commit()
        self._marks = marks
        self._unsaved.clear()

    def salvage(
        self,
        records: Sequence[Salvaged],
        *,
        calls: Sequence[Call] = (),
        texts: Sequence[tuple[str, str, str]] = (),
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Commit what was saved from another file, records stamped as they were, and facts about it."""
        with self._database.transaction():
            numbers = {
                boot: self._boot_number(boot, anchor=anchor)
                for boot, anchor in {record.boot: record.anchor for record in records}.items()
            }
            marks = self._insert([(one.lane, numbers[one.boot], one.synced, one.body) for one in records])
            self.calls.restore(calls, texts)
            for name, value in facts.items():
                self._write_fact(name, value)
        self._facts |= facts
        self._marks = marks
        self._unsaved.clear()
        self._read_boots()

    def say_again(self, *, high_water: int, listed: Collection[str]) -> list[str]:
        """Commit once more, behind all others, calls that the hub passed over; return their refs.

        A call that the home hub's mark has passed and its list lacks had the seq of another that the hub has from
        before: an older image of this file was put back. A call said twice is one fact; each is said again once.
        """
        waiting = {call.ref for call in self.calls.calls() if call.sent_at is None and call.closed_at is None}
        waiting -= self._said_again.union(listed)
        again: dict[str, Salvaged] = {}
        if waiting:
            newest = max(1, self._marks[Lane.SOS].next - _LOOKED_BACK)
            rows = self.read(Lane.SOS, newest, most=_LOOKED_BACK, most_bytes=1 << 30)
            last = {event.ref: row for row in rows if not row.is_gap and (event := call_event(row.body)) is not None}
            again = {
                ref: Salvaged(lane=Lane.SOS, boot=row.boot, anchor=row.anchor, synced=row.synced, body=row.body)
                for ref, row in last.items()
                if ref in waiting and row.last <= high_water
            }
        if again:
            self.salvage(list(again.values()))
            self._said_again |= again.keys()
        return list(again)

    def release(self, lane: Lane, through: int) -> None:
        """Commit that everything up to `through` may have left this node from now on."""
        old = self._marks[lane]
        marks = self._marks | {lane: LaneMarks(old.next, old.done, max(old.released, through))}
        with self._database.transaction():
            self._save_marks(marks, {lane})
        self._marks = marks
        self._unsaved.discard(lane)

    def mark_done(self, lane: Lane, through: int, *, hub_ms: int | None) -> None:
        """Note the home hub's high-water mark, also a lower one; saved with the next commit or `save`."""
        old = self._marks[lane]
        self._marks[lane] = LaneMarks(old.next, through, old.released)
        self._unsaved.add(lane)
        number = LANE_NUMBERS[lane]
        if through < old.done:
            with self._database.transaction():
                self._database.run("DELETE FROM done_marks WHERE lane = ? AND seq > ?", (number, through))
                self._save_marks(self._marks, {lane})
            self._last_mark_ms[lane] = self._newest_mark_ms(lane)
        elif hub_ms is not None and hub_ms - self._last_mark_ms[lane] >= _MARK_EVERY_MS:
            with self._database.transaction():
                self._database.run("INSERT OR REPLACE INTO done_marks VALUES (?, ?, ?)", (number, through, hub_ms))
                self._save_marks(self._marks, {lane})
            self._last_mark_ms[lane] = hub_ms

    def save(self) -> None:
        """Commit marks that were only noted."""
        if self._unsaved:
            with self._database.transaction():
                self._save_marks(self._marks, self._unsaved)
            self._unsaved.clear()

    def read(self, lane: Lane, first: int, *, most: int, most_bytes: int) -> list[Row]:
        """Return rows from `first` on without a hole, at least one where any is left; what is gone comes as a gap."""
        number, last = LANE_NUMBERS[lane], self._marks[lane].next - 1
        rows: list[Row] = []
        covering = self._database.row(
            f"SELECT through, body FROM records WHERE {_BEFORE} AND through >= ?",  # noqa: S608 our own text
            (number, number, first, first),
        )
        if covering is not None and _is_within(covering[0], first, last):
            rows.append(gap_row(first, covering[0], reason=_gap_reason(covering[1]), boot=self._boot))
            first = covering[0] + 1
        size = 0
        for seq, through, boot_id, synced, body in self._database.rows(
            "SELECT seq, through, boot, synced, body FROM records WHERE lane = ? AND seq BETWEEN ? AND ?"
            " ORDER BY seq LIMIT ?",
            (number, first, last, most - len(rows)),
        ):
            if not isinstance(seq, int):
                raise self._database.proven_spoilt("a seq is no number")
            fits = through is None or _is_within(through, seq, last)
            row = self._row(seq, through if fits else seq, boot_id, synced=bool(synced), kept=body if fits else b"")
            size += len(row.body) + 1
            if rows and size > most_bytes:
                break
            if seq > first:
                rows.append(gap_row(first, seq - 1, reason=GapReason.EVICTED, boot=self._boot))
            rows.append(row)
            first = rows[-1].last + 1
        if not rows and first <= last:
            rows.append(gap_row(first, last, reason=GapReason.EVICTED, boot=self._boot))
        return rows[:most]

    def declare_gap(self, lane: Lane, first: int, last: int, *, reason: GapReason) -> None:
        """Commit that the rows from `first` through `last` are gone."""
        self.declare_gaps(lane, [(first, last)], reason=reason)

    def declare_gaps(self, lane: Lane, ranges: Iterable[tuple[int, int]], *, reason: GapReason) -> None:
        """Commit that these rows are gone, each range joined to a gap of the same reason right before it."""
        number, word = LANE_NUMBERS[lane], reason.value.encode()
        run = self._database.run
        with self._database.transaction():
            for first, last in ranges:
                before = self._database.row(
                    f"SELECT seq FROM records WHERE {_BEFORE} AND through = ? AND body = ?",  # noqa: S608 our own text
                    (number, number, first, first - 1, word),
                )
                start = before[0] if before else first
                run(
                    f"UPDATE records SET through = ? WHERE {_BEFORE} AND through >= ?",  # noqa: S608 our own text
                    (start - 1, number, number, start, start),
                )
                run("DELETE FROM records WHERE lane = ? AND seq BETWEEN ? AND ?", (number, start, last))
                run("INSERT INTO records VALUES (?, ?, ?, ?, 1, ?)", (number, start, last, self._boot_id, word))

    def begin_epoch(self, reason: NewEpochBecause) -> str:
        """Begin a new epoch: rows not done move into it, and of calls also those that came since opening.

        After an old image was put back, an ack speaks of seqs that are now other calls; a call said twice is one fact.
        """
        epoch, marks = self._new_epoch(), dict(self._marks)
        run = self._database.run
        with self._database.transaction():
            for lane, number in LANE_NUMBERS.items():
                old = self._marks[lane]
                kept = min(old.done, self._opened_next[lane] - 1) if lane is Lane.SOS else old.done
                run(
                    "UPDATE records SET seq = ? WHERE lane = ? AND seq <= ? AND through > ?",
                    (kept + 1, number, kept, kept),
                )
                run("DELETE FROM records WHERE lane = ? AND seq <= ?", (number, kept))
                # Two steps, so that no row meets the key of one that has not moved yet.
                run("UPDATE records SET seq = ? - seq, through = through - ? WHERE lane = ?", (kept, kept, number))
                run("UPDATE records SET seq = -seq WHERE lane = ?", (number,))
                marks[lane] = LaneMarks(old.next - kept, 0, 0)
            run("DELETE FROM done_marks")
            self._write_fact("epoch", epoch)
            self._write_fact("because", reason.value)
            self._save_marks(marks, set(Lane))
        self._facts |= {"epoch": epoch, "because": reason.value}
        self._marks = marks
        self._opened_next = dict.fromkeys(Lane, 1)
        self._unsaved.clear()
        self._last_mark_ms = dict.fromkeys(Lane, 0)
        return epoch

    def set_anchor(self, *, at: datetime, uptime_ms: int) -> None:
        """Commit when this boot learnt the time."""
        with self._database.transaction():
            self._database.run(
                "UPDATE boots SET anchor_at = ?, anchor_uptime_ms = ? WHERE id = ?",
                (format_instant(at), uptime_ms, self._boot_id),
            )
        self._read_boots()

    def distrust_clock(self) -> None:
        """Commit that this boot's clock was wrong although it counted as set; what has left stands as it was told."""
        if self._boot not in self._distrusted:
            self.set_fact(f"{DISTRUSTED}{self._boot}", "1")
            self._distrusted.add(self._boot)

    def close(self, *, in_order: bool = True) -> None:
        """Close the file; `in_order` says that it need not be checked at the next opening."""
        try:
            if in_order:
                self.save()
                self.set_fact("clean", "1")
        finally:
            self._database.close()

    def _insert(
        self, stamped: Iterable[tuple[Lane, int, bool, bytes]], *, flowing: Collection[Lane] = ()
    ) -> dict[Lane, LaneMarks]:
        marks = dict(self._marks)
        rows: list[tuple[int, int, int, int, bytes]] = []
        for lane, boot_id, synced, body in stamped:
            old = marks[lane]
            rows.append((LANE_NUMBERS[lane], old.next, boot_id, int(synced), pack(body)))
            marks[lane] = LaneMarks(old.next + 1, old.done, old.next if lane in flowing else old.released)
        self._database.run_many("INSERT INTO records VALUES (?, ?, NULL, ?, ?, ?)", rows)
        self._save_marks(marks, [lane for lane in Lane if marks[lane] != self._marks[lane] or lane in self._unsaved])
        return marks

    def _row(self, seq: int, through: int | None, boot_id: int, *, synced: bool, kept: object) -> Row:
        """A stored row; what the medium has spoilt is declared lost by itself, so that the lane goes on."""
        if through is not None:
            return gap_row(seq, through, reason=_gap_reason(kept), boot=self._boot)
        try:
            body = unpack(kept) if isinstance(kept, bytes) else b""
        except DamagedRecordError:
            body = b""
        if not body or boot_id not in self._boots:
            return gap_row(seq, seq, reason=GapReason.CORRUPT, boot=self._boot)
        boot, anchor = self._boots[boot_id]
        return Row(seq, seq, boot, synced=synced and boot not in self._distrusted, body=body, anchor=anchor)

    def _save_marks(self, marks: dict[Lane, LaneMarks], lanes: Collection[Lane]) -> None:
        self._database.run_many(
            "UPDATE lanes SET next = ?, done = ?, released = ? WHERE lane = ?",
            [(marks[lane].next, marks[lane].done, marks[lane].released, LANE_NUMBERS[lane]) for lane in lanes],
        )

    def _write_fact(self, name: str, value: str) -> None:
        self._database.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _boot_number(self, boot: str, *, anchor: Stamp | None = None) -> int:
        at, uptime_ms = (None, None) if anchor is None else (anchor.at, anchor.uptime_ms)
        self._database.run(
            "INSERT INTO boots (boot, anchor_at, anchor_uptime_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (boot, at, uptime_ms),
        )
        row = self._database.row("SELECT id FROM boots WHERE boot = ?", (boot,))
        if row is None:
            raise self._database.proven_spoilt("a boot is not where it was written")
        return row[0]

    def _read_boots(self) -> None:
        for row in self._database.rows("SELECT id, boot, anchor_at, anchor_uptime_ms FROM boots"):
            known = boot_of(row)
            if known is None:
                raise self._database.proven_spoilt("a boot is not what was written")
            self._boots[known[0]] = known[1:]
        if self._boot_id not in self._boots:
            raise self._database.proven_spoilt("a boot is not where it was written")

    def _read_marks(self) -> dict[Lane, LaneMarks]:
        rows = {row[0]: row[1:] for row in self._database.rows("SELECT lane, next, done, released FROM lanes")}
        marks = {lane: LaneMarks(*rows.get(number, (0, 0, 0))) for lane, number in LANE_NUMBERS.items()}
        for lane, each in marks.items():
            numbers = (each.next, each.done, each.released)
            query = "SELECT max(seq) FROM records WHERE lane = ?"
            newest = self._database.row(query, (LANE_NUMBERS[lane],))[0] or 0
            fits = all(isinstance(number, int) and number >= 0 for number in (*numbers, newest))
            if not fits or each.next <= newest:
                raise self._database.proven_spoilt("the marks of a lane are not what was written")
        return marks

    def _read_facts(self) -> dict[str, str]:
        facts = dict(self._database.rows("SELECT name, value FROM facts"))
        because = facts.get("because") or None
        fits = all(isinstance(text, str) for fact in facts.items() for text in fact)
        if not fits or not is_id(facts.get("epoch")) or because not in (None, *NewEpochBecause):
            raise self._database.proven_spoilt("a fact is not what was written")
        return facts

    def _newest_mark_ms(self, lane: Lane) -> int:
        query = "SELECT coalesce(max(at_ms), 0) FROM done_marks WHERE lane = ?"
        (newest,) = self._database.row(query, (LANE_NUMBERS[lane],))
        return newest if isinstance(newest, int) else 0


def _gap_reason(kept: object) -> GapReason:
    try:
        return GapReason(kept.decode() if isinstance(kept, bytes) else kept)
    except ValueError:
        return GapReason.CORRUPT


def _is_within(seq: object, first: int, last: int) -> bool:
    return isinstance(seq, int) and first <= seq <= last
