from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from simulators.bin import BinState, pour
from simulators.community import SITE, draw_bin, settle
from simulators.observation import Fact, FactName, Measurement
from simulators.timeline import Timeline
from simulators.world import Actor, World

STORY = Timeline(datetime(2026, 11, 21, 8, 0, tzinfo=UTC))


def bin_actor(name: str, *, interval_s: float, first_s: float) -> Actor:
    rng = Random(name)
    actor, _ = settle("pi", name, draw_bin(SITE, STORY, rng), interval_s=interval_s, rng=rng, timeline=STORY)
    return replace(actor, first_s=first_s)


def test_actors_are_stepped_in_the_order_of_the_story() -> None:
    world = World([bin_actor("slow", interval_s=100, first_s=10), bin_actor("fast", interval_s=30, first_s=20)], STORY)

    assert [(scene.place.facility, scene.after_s) for scene in world.until(110)] == [
        ("slow", 10),
        ("fast", 20),
        ("fast", 50),
        ("fast", 80),
        ("slow", 110),
        ("fast", 110),
    ]
    assert world.next_s() == 140


def test_how_the_story_is_cut_does_not_change_it() -> None:
    def actors() -> list[Actor]:
        return [bin_actor("a", interval_s=100, first_s=10), bin_actor("b", interval_s=70, first_s=20)]

    at_once, bit_by_bit = World(actors(), STORY), World(actors(), STORY)
    cut = [scene for until_s in range(0, 5_001, 7) for scene in bit_by_bit.until(until_s)]

    assert list(at_once.until(4_998)) == cut
    assert len(cut) > 100


def test_a_change_happens_at_once_and_shows_at_the_next_reading() -> None:
    world = World([bin_actor("a", interval_s=100, first_s=10)], STORY)
    before = world.state("a")
    assert isinstance(before, BinState)
    scene = world.change("a", lambda state: pour(state, 98 - state.fill_percent), after_s=5)
    (shown,) = list(world.until(10))

    assert scene.outcome.facts[0].name is FactName.BECAME_FULL
    assert isinstance(scene.outcome.facts[0], Fact)
    assert scene.after_s == 5
    (measurement,) = shown.outcome.observed
    assert isinstance(measurement, Measurement)
    assert float(measurement.values["fill_percent"]) > 90


def test_an_empty_world_has_no_next_moment() -> None:
    assert World([], STORY).next_s() == float("inf")
