"""What the hub takes of a lane, against a model: in order, once, never behind a hole, conserved always."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hub.ingest.lane import LaneState, Outcome, Taken, TakenGap, place, settle, settle_gap, take
from hub.telemetry.point import LaneKey
from protocols.events import Event
from protocols.gaps import Gap, GapReason, GapRecord
from protocols.lanes import Lane
from protocols.rejections import RecordRejection


def an_event(name: str = "1") -> Event:
    return Event(device="d", event="tamper", ref=name)


class LaneMachine(RuleBasedStateMachine):
    """An edge produces seqs, some as gaps; the network delivers any run of them, again and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.produced: dict[int, int] = {}
        self.next = 1
        self.handled: list[int] = []
        self.lost: set[int] = set()
        self.stored = self.quarantined = self.gaps = 0

    @initialize(lane=st.sampled_from(Lane))
    def a_lane(self, lane: Lane) -> None:
        self.state = LaneState(LaneKey("s", "n", "e", lane))

    @rule()
    def the_edge_commits_a_record(self) -> None:
        self.produced[self.next] = self.next
        self.next += 1

    @rule(length=st.integers(1, 4))
    def the_edge_declares_a_loss(self, length: int) -> None:
        self.produced[self.next] = self.next + length - 1
        self.next += length

    @rule()
    def the_edge_says_hello(self) -> None:
        self.state = self.state.copy()
        self.state.hello_next = self.next

    @rule(data=st.data())
    def the_network_delivers_a_run(self, data: st.DataObject) -> None:
        starts = sorted(self.produced)
        if not starts:
            return
        first = data.draw(st.integers(0, len(starts) - 1))
        last = data.draw(st.integers(first, min(first + 5, len(starts) - 1)))
        records = [
            an_event(str(seq))
            if self.produced[seq] == seq
            else GapRecord(gap=Gap(to=self.produced[seq], reason=GapReason.EVICTED))
            for seq in starts[first : last + 1]
        ]
        state = self.state.copy()
        taken, _ = take(state, place(starts[first], records))
        for unit in taken:
            if isinstance(unit, TakenGap):
                settle_gap(state, unit)
                self.lost.update(range(unit.from_seq, unit.to_seq + 1))
            else:
                self.handled.append(unit.seq)
                settle(state, unit, Outcome.QUARANTINED if unit.seq % 3 == 0 else Outcome.STORED)
        self.stored += state.counts.stored
        self.quarantined += state.counts.quarantined
        self.gaps += state.counts.gaps
        self.state = state

    @rule()
    def the_hub_crashes_before_its_commit(self) -> None:
        """A batch copy that is thrown away leaves no trace."""
        state = self.state.copy()
        take(state, place(state.high_water + 1, [an_event()]))

    @invariant()
    def high_water_is_stored_plus_quarantined_plus_gaps(self) -> None:
        if hasattr(self, "state"):
            assert self.state.high_water == self.stored + self.quarantined + self.gaps

    @invariant()
    def nothing_is_handled_twice(self) -> None:
        assert len(self.handled) == len(set(self.handled))

    @invariant()
    def all_below_the_high_water_was_handled_or_declared_lost(self) -> None:
        if hasattr(self, "state"):
            assert set(range(1, self.state.high_water + 1)) <= set(self.handled) | self.lost

    @invariant()
    def only_the_sos_lane_reaches_behind_a_hole(self) -> None:
        if hasattr(self, "state") and self.state.key.lane is not Lane.SOS:
            assert not self.state.ahead
            assert self.handled == sorted(self.handled)


TestLane = LaneMachine.TestCase
TestLane.settings = settings(max_examples=150, stateful_step_count=40)


@given(st.integers(1, 50), st.integers(1, 100))
def test_a_gap_that_ends_before_its_place_is_a_record_that_cannot_be_used(place_at: int, to: int) -> None:
    placed = place(place_at, [GapRecord(gap=Gap(to=to, reason=GapReason.THINNED))])
    if to >= place_at:
        assert placed == [(place_at, Gap(to=to, reason=GapReason.THINNED))]
    else:
        assert isinstance(placed[0], Taken)
        assert isinstance(placed[0].record, RecordRejection)


@given(st.integers(0, 30), st.integers(1, 30))
def test_a_gap_is_taken_only_below_what_hello_said(hello_next: int, to: int) -> None:
    state = LaneState(LaneKey("s", "n", "e", Lane.TELEMETRY), hello_next=hello_next or None)
    taken, hole = take(state, place(1, [GapRecord(gap=Gap(to=to, reason=GapReason.EVICTED))]))
    assert bool(taken) is (to < hello_next)
    assert hole is not bool(taken)


def test_a_huge_gap_costs_no_time_where_the_sos_lane_holds_records_ahead() -> None:
    state = LaneState(LaneKey("s", "n", "e", Lane.SOS), hello_next=2**53 - 1)
    state.ahead = {5: Outcome.STORED}
    gap = GapRecord(gap=Gap(to=2**52, reason=GapReason.REFUSED))
    (unit,), _ = take(state, place(1, [gap]))
    assert isinstance(unit, TakenGap)
    settle_gap(state, unit)
    assert (state.high_water, state.counts.gaps, state.counts.stored) == (2**52, 2**52 - 1, 1)
