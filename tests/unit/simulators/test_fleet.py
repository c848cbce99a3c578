import asyncio
import io
import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from protocols.lanes import Lane
from protocols.topics import NodeAddress
from simulators.clock import StoryClock
from simulators.community import BANDS, BINS, LAMPS, SITE, draw_community
from simulators.fleet import Fleet, make_node
from simulators.node import Broker, Credential
from simulators.registry import Access
from simulators.timeline import Timeline
from simulators.truth import TruthWriter
from simulators.world import World

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
FAST = 1e9
NOWHERE = Access(Credential(None), Broker("127.0.0.1", 1), known_before=False)


def played(*, seed: int, nodes: int = 2, until_s: float = 3 * 3_600.0) -> tuple[Fleet, str]:
    """Three hours of a fleet that is never connected: what it produces waits in its lanes."""
    output = io.StringIO()
    timeline = Timeline(START, FAST)
    community = draw_community(SITE, nodes=nodes, seed=seed, timeline=timeline)

    async def play() -> Fleet:
        clock = StoryClock(timeline)
        members = {
            name: make_node(NodeAddress(SITE.slug, name), NOWHERE, clock=clock, rng=Random(1))
            for name in community.nodes
        }
        fleet = Fleet(World(community.actors, timeline), members, clock=clock, truth=TruthWriter(output))
        await fleet.play(until_s)
        return fleet

    return asyncio.run(play()), output.getvalue()


def lines(truth: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in truth.splitlines()]


def test_the_same_seed_writes_the_same_truth_and_another_seed_another() -> None:
    assert played(seed=7)[1] == played(seed=7)[1]
    assert played(seed=7)[1] != played(seed=8)[1]


def test_two_runs_of_one_seed_are_never_mistaken_for_one_another() -> None:
    first, second = played(seed=7, nodes=1, until_s=60)[0], played(seed=7, nodes=1, until_s=60)[0]

    assert first.epochs != second.epochs


def test_the_truth_names_every_record_by_node_lane_and_seq_without_a_hole() -> None:
    fleet, truth = played(seed=7)
    produced = [line for line in lines(truth) if line["fact"] == "record"]

    for name, member in fleet.nodes.items():
        for lane in Lane:
            seqs = [line["seq"] for line in produced if (line["node"], line["lane"]) == (name, lane.value)]
            assert seqs == list(range(1, member.node.uplinks[lane].next))
    assert lines(truth)[-1] == {"fact": "end", "after_s": 10_800.0, "records": len(produced)}


def test_truth_comes_in_the_order_of_the_story() -> None:
    times = [line["after_s"] for line in lines(played(seed=7)[1])]

    assert times == sorted(times)


def test_a_community_has_every_kind_at_every_node_and_registers_what_it_plays() -> None:
    community = draw_community(SITE, nodes=3, seed=7, timeline=Timeline(START, 60))
    kinds = [(entry.facility_kind, entry.device_kind) for entry in community.devices if entry.node == "sim-2"]

    assert sorted(kinds) == sorted(
        [("bin", "fill_level")] * BINS + [("streetlight", "lamp")] * LAMPS + [("wristband", "vitals")] * BANDS
    )
    assert {actor.place.device for actor in community.actors} == {entry.device for entry in community.devices}
    assert {entry.expected_interval_s for entry in community.devices if entry.facility_kind == "bin"} == {30}
    assert all("rated_power_w" in entry.attributes for entry in community.devices if entry.device_kind == "lamp")
