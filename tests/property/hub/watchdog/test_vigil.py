"""Whatever happens in whatever order: people are told of every silence, once, and never of one that was none."""

from hypothesis import given
from hypothesis import strategies as st

from hub.watchdog.vigil import (
    ChainAnswered,
    HubAnswered,
    HubMissed,
    Looked,
    Observation,
    Occasion,
    Patience,
    begin,
    observe,
    troubles_of,
)

PATIENCE = Patience(silent_ms=45_000, repeat_ms=300_000)
OBSERVATIONS = st.sampled_from(
    [HubAnswered(well=True), HubAnswered(well=False, detail="x"), HubMissed("x"), ChainAnswered(), Looked(), None]
)
"""None: the watchdog starts again."""
STEPS = st.lists(st.tuples(st.integers(0, 14_000), OBSERVATIONS), max_size=300)


@given(STEPS)
def test_a_notice_begins_or_ends_an_episode_or_repeats_it_in_time(steps: list[tuple[int, Observation | None]]) -> None:
    at_ms, told_ms, state = 0, 0, begin(at_ms=0)
    open_since_ms: int | None = None
    for pause_ms, observation in steps:
        at_ms += pause_ms
        if observation is None:
            state = begin(at_ms=at_ms, episode=state.episode)
            continue
        state, notices = observe(PATIENCE, state, observation, at_ms=at_ms)
        assert len(notices) <= 1
        for notice in notices:
            if notice.occasion is Occasion.BEGUN:
                assert open_since_ms is None
                assert notice.at_ms - notice.since_ms >= PATIENCE.silent_ms
                open_since_ms = notice.since_ms
            else:
                assert open_since_ms == notice.since_ms
            if notice.occasion is Occasion.LASTS:
                assert at_ms - told_ms >= PATIENCE.repeat_ms
            if notice.occasion is Occasion.WORSE:
                assert at_ms - told_ms >= 60_000
            if notice.occasion is Occasion.OVER:
                open_since_ms = None
            assert bool(notice.troubles) == (notice.occasion is not Occasion.OVER)
            told_ms = at_ms
        assert (state.episode is not None) == (open_since_ms is not None)
        if troubles_of(PATIENCE, state, at_ms=at_ms):
            assert state.episode is not None, "a silence that nobody was told of"


@given(STEPS)
def test_asking_twice_at_the_same_moment_says_nothing_twice(steps: list[tuple[int, Observation | None]]) -> None:
    at_ms, state = 0, begin(at_ms=0)
    for pause_ms, observation in steps:
        at_ms += pause_ms
        state, _ = observe(PATIENCE, state, observation or Looked(), at_ms=at_ms)
        assert observe(PATIENCE, state, Looked(), at_ms=at_ms) == (state, ())
