from typing import Final

from hub.ingest.throttle import MESSAGE, Allowance, Limit, Throttle, charged, refilled

LIMIT: Final = Limit(burst=100, per_s=25)
FULL: Final = Allowance(LIMIT.burst, 0)


def test_a_node_may_send_a_burst_of_unusable_things_and_then_waits() -> None:
    throttle = Throttle(LIMIT)
    ends = [throttle.charge("demo", "pi-1", MESSAGE, at_ms=1_000) for _ in range(LIMIT.burst // MESSAGE)]
    assert ends == [False] * (LIMIT.burst // MESSAGE - 1) + [True]
    assert throttle.is_spent("demo", "pi-1", at_ms=1_000)
    assert not throttle.is_spent("demo", "pi-2", at_ms=1_000), "the others need not wait"


def test_the_allowance_grows_again_with_time_up_to_the_burst() -> None:
    spent = charged(refilled(FULL, 1_000, LIMIT), 10 * LIMIT.burst)
    assert spent.left == 0
    assert refilled(spent, 2_000, LIMIT).left == LIMIT.per_s
    assert refilled(spent, 1_000_000, LIMIT).left == LIMIT.burst


def test_a_clock_that_goes_back_gives_nothing_and_goes_on_from_there() -> None:
    spent = charged(refilled(FULL, 3_600_000, LIMIT), LIMIT.burst)
    back = refilled(spent, 5_000, LIMIT)
    assert back.left == 0
    assert refilled(back, 6_000, LIMIT).left == LIMIT.per_s


def test_a_node_that_waits_goes_on_soon_and_its_end_is_told_again() -> None:
    throttle = Throttle(LIMIT)
    assert throttle.charge("demo", "pi-1", LIMIT.burst, at_ms=0)
    soon_ms = 1_000 * MESSAGE // LIMIT.per_s
    assert throttle.is_spent("demo", "pi-1", at_ms=soon_ms - 1), "not before it could pay for a message"
    assert not throttle.is_spent("demo", "pi-1", at_ms=soon_ms)
    assert throttle.charge("demo", "pi-1", 1, at_ms=soon_ms)
    assert throttle.is_spent("demo", "pi-1", at_ms=soon_ms)


def test_a_node_that_has_its_whole_allowance_again_is_forgotten() -> None:
    throttle = Throttle(LIMIT)
    throttle.charge("demo", "pi-1", LIMIT.burst, at_ms=0)
    assert not throttle.is_spent("demo", "pi-1", at_ms=60_000)
    assert throttle._allowances == {}  # noqa: SLF001 what is remembered must stay bounded
