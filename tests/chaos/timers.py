"""Ten thousand random lives of alerts and orders on simulated time, with crashes: each promised step in its second.

Every schedule is a bin or a wristband of its own; fifty of them share a hub's database, its sweep of each second and
its crashes. What the hub answered as done is set against the two logs at the end.
"""

import heapq
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import text

from hub.fault_points import FaultPoint
from hub.vocabulary import Colour, Subject
from hub.workorders.due import RESOLUTION, RESPONSE
from tests.chaos.timers_mutants import MUTANTS
from tests.chaos.timers_restart import restarted
from tests.chaos.timers_stage import REVIEW_S, Stage, Story, Told, found
from tests.guarantees.guarantee import Control, Guarantee, Run

START_MS: Final = 1_795_000_000_000
HOUR_MS: Final = 3_600_000
TICK_MS: Final = 1_000
"""The hub sweeps so often."""
LATE_MS: Final = 1_000
"""How late a step may be while the hub lives; after a restart as much, counted from its first second."""
SCHEDULES: Final = 10_000
SHORT_SCHEDULES: Final = 100
CONTROL_SCHEDULES: Final = 50
TOGETHER: Final = 50
SIGNS: Final = {
    "timers_in_memory": "did not come",
    "counted_anew_at_a_restart": "after its time|early",
    "acknowledgements_gathered": "was told as done and stands 0 times",
    "proofs_wait_for_ever": r"unverified of \S+ did not come",
}
"""Mutant → what is found wrong then."""
CRASHES: Final = 6
"""Of fifty schedules: half of them between two effects of what somebody does."""
WORKERS: Final = 2
ACTS: Final = (3, 9)
_LOGS: Final = text(
    "SELECT alert AS entity, step, at_ms, reason, person, id FROM alert_log"
    " UNION ALL SELECT work_order, step, at_ms, reason, person, id FROM work_order_log ORDER BY id"
)


@dataclass(slots=True)
class Books:
    """What some schedules came to."""

    schedules: int = 0
    acts: int = 0
    crashes: int = 0
    promised: int = 0
    """Steps that were promised for a time and not made needless before."""
    latest_ms: int = 0
    latest_after_restart_ms: int = 0
    """How late the latest step was whose time passed while the hub was down, from the hub's return."""
    deadlines: int = 0
    wrong: list[str] = field(default_factory=list[str])

    def add(self, other: "Books") -> None:
        for name in ("schedules", "acts", "crashes", "promised", "deadlines"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latest_ms = max(self.latest_ms, other.latest_ms)
        self.latest_after_restart_ms = max(self.latest_after_restart_ms, other.latest_after_restart_ms)
        self.wrong += other.wrong


class _Play:
    """Fifty schedules on one database."""

    def __init__(self, stage: Stage, seed: str) -> None:
        self.stage = stage
        self.told: list[Told] = []
        self.downs: list[tuple[int, int]] = []
        self.crashes = 0
        self._random = Random(seed)
        self._phase_ms = self._random.randrange(TICK_MS)
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._first_ms = 0
        """When the hub sweeps for the first time after a restart."""

    def run(self) -> None:
        """Live until nothing is to come any more."""
        for number in range(TOGETHER):
            self._plan(number)
        for _ in range(CRASHES):
            self._at(START_MS + self._random.randrange(6 * HOUR_MS), self._down)
        while self._agenda:
            at_ms, _, happen = heapq.heappop(self._agenda)
            self._sweep_until(at_ms)
            self.stage.now_ms = max(at_ms, self.stage.now_ms + 1)  # no two things happen in the same millisecond
            happen()
        self._sweep_until(self.stage.now_ms + 24 * HOUR_MS)

    def _plan(self, number: int) -> None:
        random = Random(self._random.getrandbits(64))
        story = Story.CALL if number % 5 == 0 else Story.BIN
        subject = Subject("demo", facility=f"demo.{story}-{number}")
        at_ms = START_MS + random.randrange(HOUR_MS)
        for _ in range(random.randint(*ACTS)):
            self._at(at_ms, partial(self._act, story, subject, random))
            at_ms += round(TICK_MS * 10 ** random.uniform(0.0, 3.7))

    def _act(self, story: Story, subject: Subject, random: Random) -> None:
        points = (FaultPoint.STATE_WRITTEN, FaultPoint.STATE_COMMITTED, None)
        dies = self._random.choices(points, (1, 1, 60))[0]
        done: list[Told] = []
        with self.stage.dying(dies):
            self.stage.act(story, subject, random, done)
        if dies is not None:
            self.crashes += 1
        if dies is FaultPoint.STATE_WRITTEN:
            done = []  # undone, and nobody was told; what was committed has to stand although nobody was
        self.told += done
        for told in done:
            if told.due_ms is not None:
                self._look(told.due_ms)
                self._look(told.due_ms + REVIEW_S * TICK_MS + LATE_MS)

    def _look(self, at_ms: int) -> None:
        """Have the sweep come by then also where the database expects nothing."""

        def sweep() -> None:
            if self.stage.now_ms >= self._first_ms:
                self.stage.sweep()

        self._at(at_ms, sweep)

    def _down(self) -> None:
        """The hub dies and comes back seconds or an hour later."""
        self.crashes += 1
        self.stage.close()
        was_ms = self.stage.now_ms
        self.stage.now_ms += round(TICK_MS * 10 ** self._random.uniform(0.3, 3.6))
        self.downs.append((was_ms, self.stage.now_ms))
        self._first_ms = self.stage.now_ms + TICK_MS - 1
        self._phase_ms = self._first_ms % TICK_MS
        self.stage.open()

    def _sweep_until(self, at_ms: int) -> None:
        """Sweep at each second in which something is due; what a crash in a sweep undoes is due again."""
        last_ms = -1
        while (due_ms := self.stage.earliest_ms()) is not None and due_ms != last_ms:
            tick_ms = self._tick(max(due_ms, self.stage.now_ms))
            if tick_ms > at_ms:
                return
            self.stage.now_ms = tick_ms
            if self._random.random() < 0.01:
                self.crashes += 1
                with self.stage.dying(FaultPoint.STATE_WRITTEN):
                    self.stage.sweep()
            self.stage.sweep()
            last_ms = due_ms

    def _tick(self, at_ms: int) -> int:
        """Return the first second of the hub at or after that time."""
        return at_ms + (self._phase_ms - at_ms) % TICK_MS

    def _at(self, at_ms: int, happen: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at_ms, self._number, happen))


class _Check:
    """The two logs against what was told."""

    def __init__(self, books: Books, told: Sequence[Told], downs: Sequence[tuple[int, int]], end_ms: int) -> None:
        self._books = books
        self._told = {(act.entity, act.step, act.at_ms): act for act in told}
        self._downs = downs
        self._end_ms = end_ms
        self._due: dict[str, tuple[str, int]] = {}
        """Entity → the step it owes, and when."""
        self._seen: Counter[tuple[str, str, int]] = Counter()

    def entry(self, entity: str, step: str, at_ms: int, reason: str | None) -> None:
        """Take a line of a log."""
        self._seen[entity, step, at_ms] += 1
        by_itself = step in {"unshelved", "unverified"} or reason in {"hold_over", "review_over"}
        if by_itself:
            self._kept(entity, step, at_ms)
        elif entity in self._due and step in _ENDS:
            owed, due_ms = self._due.pop(entity)
            self._in_time(entity, owed, due_ms, at_ms, taken=False)
        act = self._told.get((entity, step, at_ms))
        if act is not None and act.due_ms is not None:
            self._due[entity] = (_OWED[step], act.due_ms)
        elif step == "unverified":
            self._due[entity] = ("reopened", at_ms + REVIEW_S * 1_000)

    def end(self) -> None:
        """Nothing may be owed any more, and nothing that was told may be missing."""
        for entity, (owed, due_ms) in self._due.items():
            self._in_time(entity, owed, due_ms, self._end_ms, taken=False)
        for key in self._told:
            if self._seen[key] != 1:
                self._books.wrong.append(f"{key[1]} of {key[0]} was told as done and stands {self._seen[key]} times")

    def _kept(self, entity: str, step: str, at_ms: int) -> None:
        owed, due_ms = self._due.pop(entity, ("nothing", 0))
        if owed != step:
            self._books.wrong.append(f"{entity} took {step} and owed {owed}")
            return
        self._books.promised += 1
        self._in_time(entity, owed, due_ms, at_ms, taken=True)

    def _in_time(self, entity: str, owed: str, due_ms: int, at_ms: int, *, taken: bool) -> None:
        """Judge a step that was taken at a time, or not until then."""
        ready_ms = due_ms
        for down_ms, up_ms in self._downs:
            if down_ms <= ready_ms + TICK_MS and ready_ms <= up_ms:
                ready_ms = up_ms  # it was down then, or before its next sweep
        late_ms = at_ms - ready_ms
        if at_ms < due_ms and taken:
            self._books.wrong.append(f"{owed} of {entity} came {due_ms - at_ms} ms early")
        elif late_ms > LATE_MS:
            what = "came" if taken else "did not come in"
            self._books.wrong.append(f"{owed} of {entity} {what} {late_ms} ms after its time")
        elif taken and ready_ms == due_ms:
            self._books.latest_ms = max(self._books.latest_ms, late_ms)
        elif taken:
            self._books.latest_after_restart_ms = max(self._books.latest_after_restart_ms, late_ms)


_OWED: Final = {"shelved": "unshelved", "held": "resumed", "done": "unverified"}
_ENDS: Final = frozenset({"shelved", "resumed", "reopened", "verified", "closed", "cancelled", "assigned"})
"""Steps by which what was owed is owed no more."""


def _batch(seed: str, mutants: Sequence[str] = ()) -> Books:
    """Live fifty schedules and return their books."""
    memory = Path("/dev/shm")  # noqa: S108 a crash of a process needs no disk
    books = Books(schedules=TOGETHER)
    undo = [MUTANTS[mutant]() for mutant in mutants]
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder, "state.db")
        found(path)
        stage = Stage(path)
        try:
            played = _Play(stage, seed)
            played.run()
            books.acts, books.crashes = len(played.told), played.crashes
            check = _Check(books, played.told, played.downs, stage.now_ms)
            with stage.transactions.read() as unit:
                for entry in unit.connection.execute(_LOGS):
                    check.entry(entry.entity, entry.step, entry.at_ms, entry.reason)
                _check_deadlines(books, unit.connection.execute(_ORDERS).all())
            check.end()
        finally:
            stage.close()
            for mend in undo:
                mend()
    return books


_ORDERS: Final = text(
    "SELECT o.id, colour, opened_at_ms, response_due_at_ms, resolution_due_at_ms FROM work_orders o"
    " WHERE NOT EXISTS (SELECT 1 FROM work_order_log l WHERE l.work_order = o.id AND l.step = 'joined')"
)


def _check_deadlines(books: Books, orders: Sequence[Any]) -> None:
    """The deadlines stand as they were set at the opening; those in working days lie at least so many days ahead."""
    for order in orders:
        books.deadlines += 1
        colour = Colour(order.colour)
        for clock, due_ms in ((RESPONSE, order.response_due_at_ms), (RESOLUTION, order.resolution_due_at_ms)):
            allowed, given_ms = clock[colour], due_ms - order.opened_at_ms
            days = allowed.working_days
            least_ms = allowed.hours * HOUR_MS + days * 24 * HOUR_MS
            most_ms = least_ms if not days else least_ms + (2 * (days // 5) + 4) * 24 * HOUR_MS
            if not least_ms <= given_ms <= most_ms:
                books.wrong.append(f"the deadline of {order.id} lies {given_ms} ms after its opening")


def play(seed: int, schedules: int, *, mutants: Sequence[str] = (), workers: int = 1) -> Books:
    """Live so many schedules; return their books together."""
    seeds = [f"{seed}/{number}" for number in range(schedules // TOGETHER)]
    books = Books()
    if workers == 1:
        for one in seeds:
            books.add(_batch(one, mutants))
        return books
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done in pool.map(_batch, seeds, chunksize=4):
            books.add(done)
    return books


def run(seed: int, *, full: bool = False) -> Run:
    """Live the schedules; in full, besides, kill and start a real hub over a timer."""
    books = play(seed, SCHEDULES if full else SHORT_SCHEDULES, workers=WORKERS if full else 1)
    reached = (
        f"{books.promised:,} timed steps in {books.schedules:,} random lives over {books.crashes:,} crashes: none lost,"
        f" none early, the latest {books.latest_ms / 1_000:.1f} s after its time, after a restart"
        f" {books.latest_after_restart_ms / 1_000:.1f} s; {books.acts:,} steps of people kept"
    )
    figures = {name: getattr(books, name) for name in Books.__dataclass_fields__ if name != "wrong"}
    wrong = books.wrong
    if full:
        restart = restarted(seed)
        figures |= restart.figures
        wrong = [*wrong, *restart.wrong]
        reached += f"; {restart.reached}"
    return Run(reached, wrong[:50], figures)


def control(seed: int) -> Control:
    """Break the timers in one way after the other."""
    seen = {name: play(seed, CONTROL_SCHEDULES, mutants=[name]).wrong for name in SIGNS}
    return Control.by_signs(SIGNS, seen, dict.fromkeys(SIGNS, play(seed, CONTROL_SCHEDULES).wrong))


GUARANTEE: Final = Guarantee(
    name="G8",
    promise="Acknowledgements, shelves, holds, proofs and reviews outlast any crash, and come in time.",
    aim="10,000 random schedules: no step lost, none more than 1 s after its time, 5 s after a restart",
    run=run,
    control=control,
)
