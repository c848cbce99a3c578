"""The uplink against a hub on a bad network: nothing lost, nothing doubled, order kept; and stories told on purpose."""

from collections.abc import Generator

import pytest
from hypothesis import settings

from edge.outbox.clearing import Clearing
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane
from tests.property.edge.node_model import NodeAndHub

pytestmark = pytest.mark.timeout(400)
TestNodeAndHub = NodeAndHub.TestCase
TestNodeAndHub.settings = settings(stateful_step_count=30, deadline=None)


@pytest.fixture
def node() -> Generator[NodeAndHub]:
    """A connected node whose lanes flow; at the end everything must be where it belongs."""
    node = NodeAndHub()
    node.travel_all()
    yield node
    node.teardown()


def test_a_record_that_a_hub_cannot_decode_is_given_up_alone(node: NodeAndHub) -> None:
    node.hub.poison = {"r2", "r5"}
    node.append(Lane.EVENT, 3)
    node.append(Lane.EVENT, 3)
    node.travel_all()
    book = node.hub.books[node.outbox.epoch, Lane.EVENT]
    assert sorted(record.ref or "" for record in book.records.values()) == ["r1", "r3", "r4", "r6"]
    assert book.gaps == [(2, 2, "refused"), (5, 5, "refused")]
    node.may_be_missing |= node.hub.poison


def test_what_was_evicted_before_it_was_told_is_announced_by_a_hello(node: NodeAndHub) -> None:
    node.disconnect("rest", kept=False)
    node.append(Lane.TELEMETRY, 5)
    node.evict()
    node.append(Lane.TELEMETRY, 2)
    node.connect("rest")
    node.travel_all()
    node.append(Lane.TELEMETRY, 3)
    node.up.clear()
    node.evict()
    node.wait(3_000)
    node.travel_all()
    book = node.hub.books[node.outbox.epoch, Lane.TELEMETRY]
    assert book.gaps[0] == (1, 5, "evicted")
    assert book.hw == 10


def test_a_hub_restored_beyond_what_is_kept_gets_a_gap_and_goes_on(node: NodeAndHub) -> None:
    node.back_up_hub()
    node.append(Lane.TELEMETRY, 5)
    node.travel_all()
    Clearing(node.outbox).drop_done(Lane.TELEMETRY)
    node.restore_hub()
    node.append(Lane.TELEMETRY, 2)
    node.wait(3_000)
    node.travel_all()
    book = node.hub.books[node.outbox.epoch, Lane.TELEMETRY]
    assert (book.gaps, book.hw) == ([(1, 5, "evicted")], 7)


def test_a_stale_acknowledgement_costs_a_resend_and_no_record(node: NodeAndHub) -> None:
    node.append(Lane.EVENT, 2)
    node.travel_all()
    stale = node.hub.ack(Lane.EVENT, node.outbox.epoch, at_ms=node.now_ms)
    node.append(Lane.EVENT, 3)
    node.travel_all()
    assert node.outbox.marks(Lane.EVENT).done == 5
    node.hear(stale)
    assert node.outbox.marks(Lane.EVENT).done == 2
    rows = node.outbox.read(Lane.EVENT, 1, most=10, most_bytes=1 << 20)
    assert [row.first for row in rows if not row.is_gap] == [1, 2, 3, 4, 5]


def test_a_large_backlog_goes_out_in_messages_of_at_most_two_hundred(node: NodeAndHub) -> None:
    node.disconnect("rest", kept=False)
    for _ in range(5):
        node.append_many(450)
    node.connect("rest")
    node.travel_all()
    assert node.hub.messages == 12
    assert node.outbox.marks(Lane.TELEMETRY).done == 2_250


def test_a_card_put_back_to_an_older_state_says_so_in_its_hello(node: NodeAndHub) -> None:
    node.take_image()
    for link in ("sos", "rest"):
        node.connect(link)
    node.append(Lane.SOS, 2)
    node.append(Lane.TELEMETRY, 9)
    node.travel_all()
    node.restore_image(3)
    for link in ("sos", "rest"):
        node.connect(link)
    node.travel_all()
    assert node.hub.hellos[-1].new_epoch_because == NewEpochBecause.IMAGE_RESTORED
    node.append(Lane.SOS, 1)
    node.travel_all()
    assert len(node.hub.calls) == 3


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_calls_made_on_a_card_put_back_are_heard_though_the_hub_has_as_many_of_before(
    node: NodeAndHub, calls: int
) -> None:
    """They leave behind the first hello, under seqs that the hub has of other calls."""
    node.take_image()
    for link in ("sos", "rest"):
        node.connect(link)
    node.append(Lane.SOS, 2)
    node.travel_all()
    node.restore_image(0)
    node.append(Lane.SOS, calls)
    for link in ("sos", "rest"):
        node.connect(link)
    node.travel_all()
    assert sorted(node.hub.calls) == [f"r{number}" for number in range(1, 3 + calls)]
