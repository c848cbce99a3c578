"""A short overload, what its verdict refuses, and that its edges are edges."""

import time

import pytest

from tests.benchmarks.community import Place
from tests.chaos.overload import run, too_large, uncounted
from tests.chaos.overload_fleet import BACKLOG_RECORDS, FIRST_PATIENCE_S, Edge

SEED = 1
MOST = {"hub_mb": 200.0, "queue_messages": 900.0}


@pytest.mark.mosquitto
@pytest.mark.influxd
@pytest.mark.timeout(400)
def test_a_hub_with_a_short_queue_sheds_and_counts_and_gets_everything_in_the_end() -> None:
    ran = run(SEED, full=False)
    assert ran.wrong == [], ran.reached


def test_a_message_that_is_neither_taken_nor_in_the_count_of_shed_ones_is_noticed() -> None:
    counts = {"delivered": 1_000, "taken": 900, "longest_queue": 0}
    assert uncounted(counts, 100.0) == []
    assert uncounted(counts, 99.0) == ["1 messages were shed and not counted"]


def test_memory_and_queues_have_an_end() -> None:
    assert too_large(MOST, {"longest_queue": 1_000}, 1_000) == []
    assert too_large(MOST, {"longest_queue": 1_200}, 1_000) == ["1200 messages waited where 1000 may"]
    assert too_large({**MOST, "hub_mb": 513.0}, {"longest_queue": 0}, 1_000) == ["the hub took 513 MB"]


def test_an_overloaded_edge_holds_what_is_not_acknowledged_and_sends_it_again_first_little_then_more() -> None:
    edge = Edge(Place(1), most=100, start_ms=1_764_000_000_000)
    begun_s = time.monotonic()
    assert edge.may_send(1_000) == 100
    edge.lane.message(0, at_most=20)
    edge.lane.message(0, at_most=20)
    assert (edge.lane.next_seq, edge.may_send(1_000), edge.may_send(45)) == (41, 60, 5)
    edge.acknowledged(20, begun_s + 0.1)
    edge.look_at_the_clock(begun_s + 0.1 + FIRST_PATIENCE_S / 2)
    assert (edge.lane.next_seq, edge.rewinds) == (41, 0)
    edge.look_at_the_clock(begun_s + 0.2 + FIRST_PATIENCE_S)
    assert (edge.lane.next_seq, edge.rewinds, edge.may_send(1_000)) == (21, 1, BACKLOG_RECORDS)
    last, payload = edge.lane.message(0, at_most=20)
    assert (last, b'"first":21,' in payload) == (40, True)
    edge.acknowledged(40, begun_s + 0.3 + FIRST_PATIENCE_S)
    assert edge.may_send(1_000) == 2 * BACKLOG_RECORDS
