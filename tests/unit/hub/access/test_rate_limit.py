"""Token buckets in virtual seconds."""

from hub.access.rate_limit import Buckets, Rate


def spend(buckets: Buckets, key: str, count: int, at_s: float) -> None:
    for _ in range(count):
        buckets.spend(key, at_s=at_s)


def test_a_full_bucket_lets_a_burst_in_and_then_one_at_a_time() -> None:
    buckets = Buckets(Rate(burst=3, every_s=6))
    assert buckets.wait_s("a", at_s=0) == 0
    spend(buckets, "a", 3, 0)
    assert buckets.wait_s("a", at_s=0) == 6
    assert buckets.wait_s("a", at_s=2.5) == 4, "3.5 s, rounded up"
    assert buckets.wait_s("a", at_s=6) == 0
    spend(buckets, "a", 1, 6)
    assert buckets.wait_s("a", at_s=6) == 6


def test_keys_do_not_share_a_bucket() -> None:
    buckets = Buckets(Rate(burst=1, every_s=10))
    spend(buckets, "a", 1, 0)
    assert buckets.wait_s("a", at_s=0) == 10
    assert buckets.wait_s("b", at_s=0) == 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    buckets = Buckets(Rate(burst=2, every_s=1))
    spend(buckets, "a", 1, 0)
    spend(buckets, "a", 2, 1_000)
    assert buckets.wait_s("a", at_s=1_000) == 1
    buckets.give_back("a", at_s=1_000)
    buckets.give_back("a", at_s=1_000)
    buckets.give_back("a", at_s=1_000)
    spend(buckets, "a", 2, 1_000)
    assert buckets.wait_s("a", at_s=1_000) == 1


def test_a_refilled_bucket_is_full_and_a_clock_that_steps_back_gives_nothing() -> None:
    buckets = Buckets(Rate(burst=1, every_s=10))
    spend(buckets, "a", 1, 100)
    assert buckets.wait_s("a", at_s=50) == 10
    buckets.refill("a")
    assert buckets.wait_s("a", at_s=100) == 0


def test_memory_is_bounded_and_the_full_are_forgotten_first() -> None:
    buckets = Buckets(Rate(burst=1, every_s=1_000_000))
    spend(buckets, "guesser", 1, 0)
    for number in range(10_000):
        buckets.spend(number, at_s=0)
    assert buckets.wait_s("guesser", at_s=0) == 0, "the oldest went, for none was full"
    assert buckets.wait_s(9_999, at_s=0) > 0
