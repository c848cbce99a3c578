"""Broken builds of the protocol, on either side: the model has to find each of them out."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final

from msgspec import structs

from edge.uplink.lane import LaneState, advance
from edge.uplink.steps import Acked, Effect, Input, MarkDone, Refused
from hub.ingest import intake
from hub.ingest.intake import Intake
from hub.ingest.lane import Outcome, Taken, TakenGap
from hub.ingest.pipeline import Pipeline
from protocols.codec import encode
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.chaos.mutants.taking import accepts_a_hole, counts_duplicates
from tests.fakes.core_hub import CoreHub, Death, MemoryUnit
from tests.property.edge.node_model import LINKS
from tests.property.edge.test_uplink_mutants import (
    believes_any_high_water,
    believes_any_hub,
    forgets_the_epoch,
    never_rewinds,
    never_sends_again,
    new_card,
    restored_card,
    restored_hub,
    skips_ahead,
    trusts_the_broker,
    two_hubs,
)

Step = tuple[LaneState, tuple[Effect, ...]]
Story = Callable[[Any], None]
"""Told of a model whose lanes do not flow yet."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is replaced: parts of the model's class, and names of a module while it is searched."""

    parts: Mapping[str, Any]
    module: ModuleType | None = None
    names: tuple[tuple[str, Any], ...] = ()
    story: "Story | None" = None
    """What undoes it, where a search would take minutes to come upon it; the sound build comes through it."""


@contextmanager
def putting_in(mutant: Mutant) -> Generator[None]:
    """Replace the mutant's names for the length of the block."""
    former = [(name, getattr(mutant.module, name)) for name, _ in mutant.names]
    for name, broken in mutant.names:
        setattr(mutant.module, name, broken)
    try:
        yield
    finally:
        for name, sound in former:
            setattr(mutant.module, name, sound)


def takes_any_epoch(state: LaneState, given: Input, at_ms: int) -> Step:
    """Takes an acknowledgement of another epoch for one of its own."""
    if isinstance(given, Acked) and given.ack.epoch != state.epoch and given.ack.hw < state.next:
        given = Acked(structs.replace(given.ack, epoch=state.epoch))
    return advance(state, given, at_ms)


def opens_the_window(state: LaneState, given: Input, at_ms: int) -> Step:
    """Sends as much as there is."""
    state, effects = advance(replace(state, window=1_000), given, at_ms)
    return replace(state, window=1_000), effects


def gives_up_what_is_refused(state: LaneState, given: Input, at_ms: int) -> Step:
    """Takes a refused message for done, with every record in it."""
    after, effects = advance(state, given, at_ms)
    if isinstance(given, Refused):
        flight = next((known for known in state.remembered if known.digest == given.digest), None)
        if flight is not None and flight.last > state.done:
            return replace(state, done=flight.last, sent=max(state.sent, flight.last)), (MarkDone(flight.last),)
    return after, effects


class AcknowledgesFirst(Pipeline):
    """Acknowledges what it has read, and commits it afterwards."""

    def _append(self, intake: Intake) -> None:
        for state in intake.lanes.values():
            self._acknowledger.acknowledge(state)
        super()._append(intake)


class StateFirst(Pipeline):
    """Commits the state, and the readings after it."""

    def _append(self, intake: Intake) -> None:
        """Wait for the state."""

    def _answer(self, items: Any, intake: Intake, moved: Any) -> None:
        super()._append(intake)
        super()._answer(items, intake, moved)


def a_hub(**parts: Any) -> Callable[[], CoreHub]:
    """Return a broken hub's maker."""
    return type("BrokenHub", (CoreHub,), parts)


def delays_calls_behind_a_hole(state: Any, placed: list[Any]) -> Any:
    """Treats the sos lane like any other."""
    taken, hole = SOUND_TAKE(state, placed)
    expected = state.high_water + 1
    kept: list[Any] = []
    for unit in taken:
        if isinstance(unit, TakenGap):
            expected = unit.to_seq + 1
        elif unit.seq != expected:
            break
        else:
            expected += 1
        kept.append(unit)
    return kept, hole


def counts_a_gap_twice(state: Any, gap: TakenGap) -> None:
    """Counts of a gap also what lay below it."""
    SOUND_SETTLE_GAP(state, gap)
    state.counts.gaps += gap.lost


def passes_quarantine_twice(state: Any, taken: Taken, outcome: Outcome) -> None:
    """Moves the high water by two over a record that it quarantines."""
    SOUND_SETTLE(state, taken, outcome)
    if outcome is Outcome.QUARANTINED and taken.seq == state.high_water:
        state.high_water += 1
        state.counts.quarantined += 1


def keeps_no_place_for_the_quarantined(state: Any, taken: Taken, outcome: Outcome) -> None:
    """Does not move over a record that it quarantines."""
    if outcome is not Outcome.QUARANTINED:
        SOUND_SETTLE(state, taken, outcome)


class ForgetsWhatIsAhead(MemoryUnit):
    """Does not know after a restart what it handled behind a hole."""

    def load(self, keys: Any) -> Any:
        found = super().load(keys)
        for state in found.values():
            state.ahead.clear()
        return found


class ForgetsTheHighWater(MemoryUnit):
    """Does not know after a restart how far it had taken its lanes."""

    def load(self, keys: Any) -> Any:
        return {}


def a_hub_that_reads(unit: type[MemoryUnit]) -> Callable[[], CoreHub]:
    """Return the maker of a hub whose questions are answered by `unit`."""

    @contextmanager
    def read(self: CoreHub) -> Generator[MemoryUnit]:
        yield unit(self.state)

    return a_hub(read=read)


def no_mark_of_its_own(self: CoreHub, batches: Sequence[Any]) -> None:
    """The telemetry store knows nothing of lanes: what comes again is stored again."""
    if self.dies in {Death.BEFORE_ALL, Death.AT_TELEMETRY}:
        CoreHub.append(self, batches)
    for key, _, points in batches_of(batches):
        readings = self.telemetry.readings.setdefault(key, {})
        for point in points:
            readings[max(readings, default=0) + 1 if point.seq in readings else point.seq] = point.values["energy_wh"]


def batches_of(batches: Sequence[Any]) -> list[tuple[Any, int, Any]]:
    """Return lane, high water and points of each batch."""
    return [(batch.key, batch.high_water, batch.points) for batch in batches]


def acknowledged_too_early(node: Any) -> None:
    """The hub dies before it commits anything, and the node makes room of what it holds for done."""
    flowing(node).append(Lane.TELEMETRY, 3)
    die(node, Death.BEFORE_ALL)
    node.travel_all()
    node.drop_done(Lane.TELEMETRY)


def cut_short(node: Any) -> None:
    """The hub dies where it is about to commit the readings."""
    flowing(node).append(Lane.TELEMETRY, 3)
    die(node, Death.AT_TELEMETRY)


def between_the_commits(node: Any) -> None:
    """The hub dies with the readings committed and their state not."""
    flowing(node).append(Lane.TELEMETRY, 3)
    die(node, Death.AFTER_TELEMETRY)


def started_anew(node: Any) -> None:
    """The hub starts anew, and the node has more to say."""
    flowing(node).append(Lane.EVENT, 3)
    node.travel_all()
    node.hub.start()
    node.append(Lane.EVENT, 1)
    node.travel_all()


def behind_a_hole(node: Any) -> None:
    """A call is lost on the way, the next arrives, and the hub starts anew."""
    flowing(node).append(Lane.SOS, 1)
    node.up.clear()
    node.append(Lane.SOS, 1)
    node.travel_all()
    node.hub.start()


def long_ago(node: Any) -> None:
    """An acknowledgement of the lost card's epoch arrives late, what the new card sent is lost, room is made."""
    flowing(node).append(Lane.TELEMETRY, 3)
    node.travel_all()
    stale = Channel.ack(Lane.TELEMETRY), encode(node.courier_ack(Lane.TELEMETRY))
    node.lose_outbox()
    connected(node).append(Lane.TELEMETRY, 5)
    node.up.clear()
    node.hear(stale)
    node.drop_done(Lane.TELEMETRY)


def backlog(node: Any) -> None:
    """A long backlog goes out at once."""
    flowing(node).disconnect("rest", kept=False)
    for _ in range(5):
        node.append_many(450)
    node.connect("rest")
    node.travel_one_way()


def flowing(node: Any) -> Any:
    """Every lane has been greeted and answered."""
    node.travel_all()
    return node


def connected(node: Any) -> Any:
    """Both connections stand, and every lane flows."""
    for link in LINKS:
        node.connect(link)
    return flowing(node)


def die(node: Any, death: Death) -> None:
    """Have the hub die of everything that is on its way, and start anew."""
    node.hub.dies = death
    node.travel_up_together(len(node.up))
    node.hub.start()


SOUND_TAKE: Final = intake.take
SOUND_SETTLE: Final = intake.settle
SOUND_SETTLE_GAP: Final = intake.settle_gap


def _edge(advance: Callable[..., Step], story: Story | None = None) -> Mutant:
    return Mutant({"advance": staticmethod(advance)}, story=story)


def _hub(name: str, broken: Any, story: Story | None = None) -> Mutant:
    return Mutant({}, intake, ((name, broken),), story)


def _build(hub: Callable[[], CoreHub], story: Story) -> Mutant:
    return Mutant({"make_hub": hub}, story=story)


MUTANTS: Final[Mapping[str, Mutant]] = {
    "the edge lets go of what the broker has": _edge(trusts_the_broker),
    "the edge never rewinds": _edge(never_rewinds, restored_hub),
    "the edge never sends again": _edge(never_sends_again),
    "the edge does not see that an old image was put back": _edge(believes_any_high_water, restored_card),
    "the edge believes any hub": _edge(believes_any_hub, two_hubs),
    "the edge gives records up for gaps without need": _edge(skips_ahead),
    "the edge takes an acknowledgement of another epoch": _edge(takes_any_epoch, long_ago),
    "the edge gives up a message that is refused": _edge(gives_up_what_is_refused),
    "the edge knows no window": _edge(opens_the_window, backlog),
    "a new card goes by the old epoch": Mutant({"open_outbox": staticmethod(forgets_the_epoch)}, story=new_card),
    "the hub acknowledges before it commits": _build(a_hub(pipeline=AcknowledgesFirst), acknowledged_too_early),
    "the hub commits the state before the readings": _build(a_hub(pipeline=StateFirst), cut_short),
    "the hub accepts a hole": _hub("take", accepts_a_hole),
    "the hub counts duplicates": _hub("take", counts_duplicates),
    "the hub delays a call behind a hole": _hub("take", delays_calls_behind_a_hole, behind_a_hole),
    "the hub counts a gap twice": _hub("settle_gap", counts_a_gap_twice),
    "the hub moves twice over what it quarantines": _hub("settle", passes_quarantine_twice),
    "the hub never moves over what it quarantines": _hub("settle", keeps_no_place_for_the_quarantined),
    "the hub forgets at a restart what it handled ahead": _build(a_hub_that_reads(ForgetsWhatIsAhead), behind_a_hole),
    "the hub forgets its high water at a restart": _build(a_hub_that_reads(ForgetsTheHighWater), started_anew),
    "the readings' store keeps no mark of its own": _build(a_hub(append=no_mark_of_its_own), between_the_commits),
}
