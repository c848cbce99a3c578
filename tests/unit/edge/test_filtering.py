from edge.filtering import Burst, BurstFault, FreezeState, reduce_burst, watch_freeze


def test_a_burst_becomes_its_median() -> None:
    burst = reduce_burst([400.0, 410.0, 405.0, 402.0, 408.0], max_spread=50)
    assert isinstance(burst, Burst)
    assert (burst.median, burst.spread, burst.kept, burst.total) == (405.0, 10.0, 5, 5)


def test_a_burst_without_spread_has_full_quality() -> None:
    burst = reduce_burst([400.0] * 5, max_spread=50)
    assert isinstance(burst, Burst)
    assert burst.quality == 100


def test_spread_and_dropped_samples_lower_the_quality() -> None:
    steady = reduce_burst([400.0, 400.0, 400.0, 400.0, 400.0], max_spread=50)
    spread = reduce_burst([400.0, 410.0, 420.0, 430.0, 440.0], max_spread=50)
    dropped = reduce_burst([400.0, 400.0, 400.0, 400.0, None], max_spread=50)
    assert isinstance(steady, Burst)
    assert isinstance(spread, Burst)
    assert isinstance(dropped, Burst)
    assert spread.quality == 60
    assert dropped.quality == 80


def test_a_single_jump_of_twenty_centimetres_is_dropped() -> None:
    burst = reduce_burst([400.0, 402.0, 604.0, 401.0, 403.0], max_spread=50)
    assert isinstance(burst, Burst)
    assert burst.kept == 4
    assert burst.median == 401.5


def test_half_of_the_pings_are_too_few() -> None:
    assert reduce_burst([400.0, 400.0, 400.0, None, None, None], max_spread=50) is BurstFault.TOO_FEW


def test_an_empty_burst_has_too_few() -> None:
    assert reduce_burst([], max_spread=50) is BurstFault.TOO_FEW


def test_infinite_and_nan_samples_count_as_missing() -> None:
    burst = reduce_burst([400.0, 400.0, 400.0, float("nan"), float("inf")], max_spread=50)
    assert isinstance(burst, Burst)
    assert burst.kept == 3


def test_a_burst_that_spreads_over_more_than_the_limit_is_unstable() -> None:
    assert reduce_burst([400.0, 420.0, 440.0, 460.0, 480.0], max_spread=50) is BurstFault.UNSTABLE


def test_two_camps_are_unstable() -> None:
    assert reduce_burst([200.0, 201.0, 202.0, 900.0, 901.0, 902.0], max_spread=50) is BurstFault.UNSTABLE


def test_the_spread_limit_itself_is_still_accepted() -> None:
    assert isinstance(reduce_burst([400.0, 425.0, 450.0], max_spread=50), Burst)


def test_a_sensor_that_repeats_one_raw_value_is_frozen() -> None:
    state, frozen = FreezeState(), [False]
    for _ in range(3):
        state, is_frozen = watch_freeze(state, [0.0024, 0.0024, 0.0024], after_bursts=3)
        frozen.append(is_frozen)
    assert frozen == [False, False, False, True]


def test_one_different_digit_begins_the_count_anew() -> None:
    state = FreezeState()
    for burst in ([0.0024] * 3, [0.0024] * 3, [0.0024, 0.0024, 0.00240001], [0.0024] * 3, [0.0024] * 3):
        state, frozen = watch_freeze(state, burst, after_bursts=3)
        assert not frozen
    assert state == FreezeState(0.0024, 2)


def test_another_constant_value_begins_the_count_anew() -> None:
    state, _ = watch_freeze(FreezeState(0.0024, 4), [0.003, 0.003], after_bursts=5)
    assert state == FreezeState(0.003, 1)


def test_a_burst_without_two_samples_proves_nothing() -> None:
    assert watch_freeze(FreezeState(0.0024, 4), [0.0024], after_bursts=5) == (FreezeState(), False)
    assert watch_freeze(FreezeState(0.0024, 4), [], after_bursts=5) == (FreezeState(), False)
