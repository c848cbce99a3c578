from hypothesis import given
from hypothesis import strategies as st

from edge.filtering import Burst, FreezeState, reduce_burst, watch_freeze

MAX_SPREAD = 50.0
distances = st.floats(min_value=0, max_value=10_000, allow_nan=False)


@given(st.lists(st.none() | distances, max_size=10))
def test_whatever_is_accepted_agrees_within_the_limit(values: list[float | None]) -> None:
    burst = reduce_burst(values, max_spread=MAX_SPREAD)
    if isinstance(burst, Burst):
        assert burst.spread <= MAX_SPREAD
        assert burst.kept * 2 > burst.total == len(values)
        assert min(v for v in values if v is not None) <= burst.median <= max(v for v in values if v is not None)
        assert 25 <= burst.quality <= 100


@given(st.data(), st.integers(5, 10))
def test_a_lying_minority_never_moves_the_value_out_of_the_honest_band(data: st.DataObject, total: int) -> None:
    honest_count = total // 2 + 1
    floor = data.draw(distances)
    honest = data.draw(
        st.lists(st.floats(floor, floor + MAX_SPREAD), min_size=honest_count, max_size=honest_count), label="honest"
    )
    lies = data.draw(
        st.lists(st.none() | distances, min_size=total - honest_count, max_size=total - honest_count), label="lies"
    )
    burst = reduce_burst(data.draw(st.permutations([*honest, *lies])), max_spread=MAX_SPREAD)
    if isinstance(burst, Burst):
        assert min(honest) <= burst.median <= max(honest)


@given(st.lists(distances, min_size=5, max_size=10), st.randoms())
def test_the_order_of_pings_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue] hypothesis' own generator
    assert reduce_burst(shuffled, max_spread=MAX_SPREAD) == reduce_burst(values, max_spread=MAX_SPREAD)


@given(st.lists(st.lists(distances, min_size=2, max_size=5), min_size=1, max_size=20), st.integers(2, 6))
def test_only_a_run_of_one_value_is_frozen(bursts: list[list[float]], after: int) -> None:
    state = FreezeState()
    for number, burst in enumerate(bursts):
        state, frozen = watch_freeze(state, burst, after_bursts=after)
        recent = [value for earlier in bursts[max(0, number - after + 1) : number + 1] for value in earlier]
        assert frozen == (number + 1 >= after and len(set(recent)) == 1)


@given(distances, st.integers(2, 10), st.integers(2, 6))
def test_a_stuck_sensor_is_found_after_exactly_so_many_bursts(value: float, pings: int, after: int) -> None:
    state, frozen, bursts = FreezeState(), False, 0
    while not frozen:
        state, frozen = watch_freeze(state, [value] * pings, after_bursts=after)
        bursts += 1
    assert bursts == after
