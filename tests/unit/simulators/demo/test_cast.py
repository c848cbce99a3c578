from datetime import UTC, datetime, timedelta

from protocols.slug import is_slug
from simulators.community import SITE
from simulators.demo.cast import (
    BANDS,
    BINS,
    DARK,
    EMPTIED,
    EXPECTED_EVERY_S,
    FORGOTTEN,
    HELLO_EVERY_S,
    LAMPS,
    NODE_NAMES,
    PEOPLE,
    RULES,
    SPEED,
    WEARER,
    YARD,
    cast_community,
    evening,
)
from simulators.sun import is_dark
from simulators.timeline import Timeline

NOW = datetime(2026, 6, 21, 9, 30, tzinfo=UTC)
COMMUNITY = cast_community(Timeline(NOW, SPEED), seed=7)


def test_the_lamps_burn_for_the_first_hours_of_the_story_at_any_time_of_the_year() -> None:
    for day in range(0, 365, 7):
        began = evening(NOW + timedelta(days=day))
        for minutes in range(0, 4 * 60, 10):
            at = began + timedelta(minutes=minutes)
            assert is_dark(at, latitude_deg=SITE.latitude_deg, longitude_deg=SITE.longitude_deg)


def test_whoever_the_story_needs_is_there() -> None:
    places = {actor.place.facility: actor.place.node for actor in COMMUNITY.actors}

    assert {places[EMPTIED], places[FORGOTTEN]} == {BINS}
    assert (places[DARK], places[WEARER]) == (LAMPS, BANDS)
    assert list(places.values()).count(YARD) == 3
    assert set(places.values()) == set(NODE_NAMES)
    assert {person.skill for person in PEOPLE if person.crew} == {"waste", "electrical", "care"}


def test_every_slug_is_one() -> None:
    slugs = [entry.facility for entry in COMMUNITY.devices] + [entry.device for entry in COMMUNITY.devices]

    assert all(is_slug(slug) for slug in [*slugs, *NODE_NAMES, *(person.crew or "x" for person in PEOPLE)])


def test_a_node_counts_as_dead_before_its_devices_count_as_silent_and_never_between_two_hellos() -> None:
    dead_after_s = RULES["nodeOffline"]["after_s"]

    assert 2 * HELLO_EVERY_S < dead_after_s < RULES["communicationFailure"]["missed_intervals"] * EXPECTED_EVERY_S
    assert {entry.expected_interval_s for entry in COMMUNITY.devices} == {EXPECTED_EVERY_S}
