import pytest

from hub.notification.pace import ANY, SERVICES, Pace, Taken, Wait, service_of, take

ROBOT = Pace(18)


def timeline(pace: Pace, *, life_safety: bool, until_ms: int, spent_until_ms: int = 0) -> list[int]:
    """Return when messages leave, each as soon as it may."""
    at_ms, left = 0, []
    while at_ms < until_ms:
        verdict = take(pace, spent_until_ms, life_safety=life_safety, at_ms=at_ms)
        if isinstance(verdict, Wait):
            assert verdict.ready_ms > at_ms
            at_ms = verdict.ready_ms
            continue
        spent_until_ms = verdict.spent_until_ms
        left.append(at_ms)
    return left


def test_a_full_bucket_gives_its_burst_at_once_and_then_one_an_interval() -> None:
    left = timeline(ROBOT, life_safety=True, until_ms=60_000)
    assert left[:9] == [0] * 7 + [5_000, 10_000]
    assert len(left) == 18


def test_a_part_is_left_to_what_asks_for_help() -> None:
    verdict, spent_until_ms = take(ROBOT, 0, life_safety=False, at_ms=0), 0
    while isinstance(verdict, Taken):
        spent_until_ms = verdict.spent_until_ms
        verdict = take(ROBOT, spent_until_ms, life_safety=False, at_ms=0)
    for _ in range(ROBOT.reserve):
        help_wanted = take(ROBOT, spent_until_ms, life_safety=True, at_ms=0)
        assert isinstance(help_wanted, Taken)
        spent_until_ms = help_wanted.spent_until_ms
    assert isinstance(take(ROBOT, spent_until_ms, life_safety=True, at_ms=0), Wait)


def test_help_waits_for_one_interval_at_worst() -> None:
    spent_until_ms = 0
    while isinstance(verdict := take(ROBOT, spent_until_ms, life_safety=True, at_ms=0), Taken):
        spent_until_ms = verdict.spent_until_ms
    assert verdict == Wait(ROBOT.interval_ms)


@pytest.mark.parametrize("life_safety", [True, False])
@pytest.mark.parametrize("per_minute", [1, 2, 18, 120])
def test_a_clock_that_was_set_back_finds_one_token_and_then_goes_on_at_its_pace(
    per_minute: int, *, life_safety: bool
) -> None:
    pace = Pace(per_minute)
    left = timeline(pace, life_safety=life_safety, until_ms=600_000, spent_until_ms=10**12)
    assert left == [number * pace.interval_ms for number in range(len(left))]
    assert len(left) >= 5


@pytest.mark.parametrize("per_minute", [1, 2, 3, 5, 18, 120])
def test_every_pace_sends_something_and_never_more_than_it_says(per_minute: int) -> None:
    left = timeline(Pace(per_minute), life_safety=True, until_ms=600_000)
    assert left[0] == 0
    assert all(sum(start <= at < start + 60_000 for at in left) <= per_minute for start in left)
    assert len(left) >= 5


def test_robots_stay_below_what_their_vendors_take() -> None:
    assert service_of("dingtalk").per_minute < 20
    assert service_of("wecombot").per_minute < 20
    assert service_of("wecombot").room_bytes < 2_048
    assert service_of("unheard-of") == ANY


def test_what_is_not_about_life_gets_through_at_every_pace() -> None:
    paces = {service.per_minute for service in SERVICES.values()} | {1, 2, 3}
    for per_minute in paces:
        assert isinstance(take(Pace(per_minute), 0, life_safety=False, at_ms=0), Taken)
