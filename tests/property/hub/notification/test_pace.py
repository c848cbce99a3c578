"""Whatever is sent when, over crashes and clocks set back: never more than its pace in any minute."""

from hypothesis import given
from hypothesis import strategies as st

from hub.notification.pace import MINUTE_MS, Pace, Taken, Wait, take


@given(
    per_minute=st.integers(1, 130),
    steps=st.lists(st.tuples(st.integers(0, 20_000), st.booleans()), max_size=300),
)
def test_no_minute_sees_more_than_the_pace(per_minute: int, steps: list[tuple[int, bool]]) -> None:
    pace, at_ms, spent_until_ms, left = Pace(per_minute), 0, 0, list[int]()
    for wait_ms, life_safety in steps:
        at_ms += wait_ms
        verdict = take(pace, spent_until_ms, life_safety=life_safety, at_ms=at_ms)
        if isinstance(verdict, Taken):
            spent_until_ms = verdict.spent_until_ms
            left.append(at_ms)
    for start in left:
        assert sum(start <= at < start + MINUTE_MS for at in left) <= per_minute


@given(per_minute=st.integers(1, 130), spent_until_ms=st.integers(0, 10**14), life_safety=st.booleans())
def test_who_waits_as_told_is_let_through(per_minute: int, spent_until_ms: int, life_safety: bool) -> None:
    at_ms = 10**13
    verdict = take(Pace(per_minute), spent_until_ms, life_safety=life_safety, at_ms=at_ms)
    if isinstance(verdict, Wait):
        assert at_ms < verdict.ready_ms <= at_ms + 2 * MINUTE_MS
        kept = min(spent_until_ms, at_ms + Pace(per_minute).burst * Pace(per_minute).interval_ms)
        again = take(Pace(per_minute), kept, life_safety=life_safety, at_ms=verdict.ready_ms)
        assert isinstance(again, Taken)


@given(per_minute=st.integers(1, 130), spent_until_ms=st.integers(0, 10**6), at_ms=st.integers(0, 10**6))
def test_help_goes_wherever_anything_else_would(per_minute: int, spent_until_ms: int, at_ms: int) -> None:
    pace = Pace(per_minute)
    if isinstance(take(pace, spent_until_ms, life_safety=False, at_ms=at_ms), Taken):
        assert isinstance(take(pace, spent_until_ms, life_safety=True, at_ms=at_ms), Taken)
