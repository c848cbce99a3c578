"""A model that catches nothing proves nothing: each of these faults in the uplink must be found by it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec import structs

from edge.outbox import Opened, open_outbox
from edge.uplink.lane import LaneState, advance
from edge.uplink.steps import Acked, BeginEpoch, Effect, Input, MarkDone, ReplaceByGap, Sent, Tick
from protocols.lanes import Lane
from tests.property.edge.node_model import LINKS, NodeAndHub

Step = tuple[LaneState, tuple[Effect, ...]]


def trusts_the_broker(state: LaneState, given: Input, at_ms: int) -> Step:
    """Done when the broker has it, as most clients do."""
    state, effects = advance(state, given, at_ms)
    if isinstance(given, Sent):
        state = replace(state, done=max(state.done, given.last), flights=())
        effects = (MarkDone(state.done), *effects)
    return state, effects


def never_rewinds(state: LaneState, given: Input, at_ms: int) -> Step:
    """Takes a lower acknowledgement for an old one, so a restored hub never gets its history."""
    if isinstance(given, Acked) and given.ack.epoch == state.epoch and given.ack.hw < state.done:
        given = Acked(structs.replace(given.ack, hw=state.done))
    return advance(state, given, at_ms)


def never_sends_again(state: LaneState, given: Input, at_ms: int) -> Step:
    """Has no timer."""
    if isinstance(given, Tick):
        hello_due_ms = state.hello_due_ms
        parked = replace(state, flights=())
        state_after, effects = advance(parked, given, at_ms)
        return replace(
            state_after, flights=state.flights, hello_due_ms=state_after.hello_due_ms or hello_due_ms
        ), effects
    return advance(state, given, at_ms)


def believes_any_high_water(state: LaneState, given: Input, at_ms: int) -> Step:
    """Does not see that an old image was put back: new records pass for ones the hub has."""
    if isinstance(given, Acked) and given.ack.epoch == state.epoch and given.ack.hw > state.released:
        given = Acked(structs.replace(given.ack, hw=state.next - 1))
        state = replace(state, released=max(state.released, state.next - 1))
    state, effects = advance(state, given, at_ms)
    return state, tuple(effect for effect in effects if not isinstance(effect, BeginEpoch))


def believes_any_hub(state: LaneState, given: Input, at_ms: int) -> Step:
    """Takes another hub's acknowledgement for its own."""
    if isinstance(given, Acked) and given.ack.hub_id != state.home and given.ack.hw < state.next:
        given = Acked(structs.replace(given.ack, hub_id=state.home))
    return advance(state, given, at_ms)


def skips_ahead(state: LaneState, given: Input, at_ms: int) -> Step:
    """Gives up a record for every message that has to be sent again."""
    before = state
    state, effects = advance(state, given, at_ms)
    if isinstance(given, Tick) and before.flights and not state.flights and state.done + 1 < state.next:
        effects = (ReplaceByGap(state.done + 1), *effects)
    return state, effects


def forgets_the_epoch(data_dir: Path, *, new_epoch: Callable[[], str], **rest: Any) -> Opened:
    """Starts anew under the old name."""
    return open_outbox(data_dir, new_epoch=lambda: "e" * 16, **rest)


def flowing(node: NodeAndHub) -> NodeAndHub:
    """Every lane has been greeted and answered."""
    node.travel_all()
    return node


def lost_by_the_broker(node: NodeAndHub) -> None:
    """Three readings go out, the broker loses them, and room is made of what is done."""
    flowing(node).append(Lane.TELEMETRY, 3)
    node.up.clear()
    node.drop_done(Lane.TELEMETRY)


def restored_hub(node: NodeAndHub) -> None:
    """The hub is put back to the day before; its history is still on the node."""
    node.back_up_hub()
    flowing(node).append(Lane.EVENT, 3)
    node.travel_all()
    node.restore_hub()


def lost_on_the_way(node: NodeAndHub) -> None:
    """A message is lost, and nothing else happens."""
    flowing(node).append(Lane.TELEMETRY, 3)
    node.up.clear()


def restored_card(node: NodeAndHub) -> None:
    """An old image is put back, and the node gathers readings before it meets the hub again."""
    flowing(node).take_image()
    for link in LINKS:
        node.connect(link)
    flowing(node).append(Lane.TELEMETRY, 5)
    node.travel_all()
    node.restore_image(8)


def two_hubs(node: NodeAndHub) -> None:
    """A second hub acknowledges what the home hub never had, and room is made of what is done."""
    flowing(node).append(Lane.TELEMETRY, 3)
    node.up.clear()
    node.other_hub_speaks(Lane.TELEMETRY, 0)
    node.drop_done(Lane.TELEMETRY)


def new_card(node: NodeAndHub) -> None:
    """The outbox file is lost, and fewer records follow than the hub has of the old one."""
    flowing(node).append(Lane.TELEMETRY, 5)
    node.travel_all()
    node.lose_outbox()
    node.append(Lane.TELEMETRY, 3)


CASES: list[tuple[dict[str, Any], Callable[[NodeAndHub], None]]] = [
    ({"advance": trusts_the_broker}, lost_by_the_broker),
    ({"advance": never_rewinds}, restored_hub),
    ({"advance": never_sends_again}, lost_on_the_way),
    ({"advance": believes_any_high_water}, restored_card),
    ({"advance": believes_any_hub}, two_hubs),
    ({"advance": skips_ahead}, lost_on_the_way),
    ({"open_outbox": forgets_the_epoch}, new_card),
]
IDS = [next(iter(fault.values())).__name__ for fault, _ in CASES]


@pytest.mark.parametrize(("fault", "story"), CASES, ids=IDS)
def test_the_uplink_comes_through_the_story_that_undoes_its_mutant(
    fault: dict[str, Any], story: Callable[[NodeAndHub], None]
) -> None:
    node = NodeAndHub()
    try:
        story(node)
    finally:
        node.teardown()


@pytest.mark.parametrize(("fault", "story"), CASES, ids=IDS)
def test_the_model_catches_a_mutant_that(fault: dict[str, Any], story: Callable[[NodeAndHub], None]) -> None:
    machine = type("Mutant", (NodeAndHub,), {name: staticmethod(part) for name, part in fault.items()})
    node = machine()
    story(node)
    with pytest.raises(AssertionError, match=r"lost|drained"):
        node.teardown()


def test_the_search_itself_finds_an_uplink_without_a_timer() -> None:
    searched = settings(
        max_examples=100,
        stateful_step_count=20,
        report_multiple_bugs=False,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    machine = type("Mutant", (NodeAndHub,), {"advance": staticmethod(never_sends_again)})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=searched)
