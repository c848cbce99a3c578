"""Whatever makes room in an outbox, in whatever order and with crashes: every seq is a record or a declared gap."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.outbox.clearing import Clearing
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import OutboxLife, a_call, a_reading, an_event, rows, store

LANES = st.sampled_from(list(Lane))
AT_ONCE = 16
"""Rows a step: two windows of the one device."""


@dataclass
class Written:
    """What was appended to a lane, and which of it the hub has."""

    bodies: list[bytes] = field(default_factory=list[bytes])
    levels: list[float] = field(default_factory=list[float])
    done: int = 0


class Room(RuleBasedStateMachine):
    """An outbox that is filled, acknowledged, thinned, evicted, tidied and killed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.life = OutboxLife(Path(self.folder.name))
        self.life.open()
        self.clearing = Clearing(self.life.outbox, at_once=AT_ONCE)
        self.written = {lane: Written() for lane in Lane}

    def teardown(self) -> None:
        self.life.crash()
        self.folder.cleanup()

    @rule(levels=st.lists(st.integers(0, 100), min_size=1, max_size=40))
    def append_readings(self, levels: list[int]) -> None:
        written = self.written[Lane.TELEMETRY]
        drafts = [a_reading(level) for level in levels]
        store(self.life.outbox, *drafts)
        written.bodies += [draft.body for draft in drafts]
        written.levels += levels

    @rule(lane=st.sampled_from([Lane.SOS, Lane.EVENT]))
    def append_what_is_never_given_up(self, lane: Lane) -> None:
        written = self.written[lane]
        ref = f"{lane}:{len(written.bodies)}"
        draft = a_call(ref) if lane is Lane.SOS else an_event(ref)
        store(self.life.outbox, draft)
        written.bodies.append(draft.body)

    @rule(lane=LANES, share=st.floats(0, 1))
    def acknowledge(self, lane: Lane, share: float) -> None:
        written = self.written[lane]
        written.done += int((len(written.bodies) - written.done) * share)
        self.life.outbox.mark_done(lane, written.done, hub_ms=None)
        self.life.outbox.save()

    @rule()
    def thin(self) -> None:
        """Neither the extremes of what was left nor the last of it may go."""
        before = self._left()
        self.clearing.thin()
        after = self._left()
        assert (not before and not after) or (min(before), max(before), before[-1]) == (
            min(after),
            max(after),
            after[-1],
        )

    @rule()
    def evict(self) -> None:
        self.clearing.evict()

    @rule(lane=LANES)
    def drop_done(self, lane: Lane) -> None:
        self.clearing.drop_done(lane)

    @rule()
    def crash(self) -> None:
        self.clearing = Clearing(self.life.reopen(), at_once=AT_ONCE)

    @invariant()
    def every_seq_that_is_not_done_is_a_record_as_it_was_or_a_gap(self) -> None:
        for lane, written in self.written.items():
            following = written.done + 1
            for row in rows(self.life.outbox, lane, following):
                assert row.first == following
                assert row.is_gap or row.body == written.bodies[row.first - 1]
                assert not row.is_gap or lane is Lane.TELEMETRY
                following = row.last + 1
            assert following == len(written.bodies) + 1 == self.life.outbox.marks(lane).next

    def _left(self) -> list[float]:
        """The levels that are neither done nor given up."""
        written = self.written[Lane.TELEMETRY]
        left = rows(self.life.outbox, Lane.TELEMETRY, written.done + 1)
        return [written.levels[row.first - 1] for row in left if not row.is_gap]


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
