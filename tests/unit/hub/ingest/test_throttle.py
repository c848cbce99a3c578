from hub.ingest.throttle import BURST, FULL, PER_S, Throttle, charged, refilled


def test_a_node_may_send_a_burst_of_unusable_things_and_then_waits() -> None:
    throttle = Throttle()
    ends = [throttle.charge("demo", "pi-1", 1, at_ms=1_000) for _ in range(BURST)]
    assert ends == [False] * (BURST - 1) + [True]
    assert throttle.is_spent("demo", "pi-1", at_ms=1_000)
    assert not throttle.is_spent("demo", "pi-2", at_ms=1_000), "the others need not wait"


def test_the_allowance_grows_again_with_time_up_to_the_burst() -> None:
    spent = charged(FULL, 10 * BURST, 1_000)
    assert spent.left == 0
    assert refilled(spent, 2_000).left == PER_S
    assert refilled(spent, 1_000_000).left == BURST


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    spent = charged(FULL, BURST, 10_000)
    assert refilled(spent, 5_000) == spent


def test_a_node_that_waits_goes_on_soon_and_its_end_is_told_again() -> None:
    throttle = Throttle()
    assert throttle.charge("demo", "pi-1", BURST, at_ms=0)
    assert not throttle.is_spent("demo", "pi-1", at_ms=1_000 // PER_S)
    assert throttle.charge("demo", "pi-1", 1, at_ms=1_000 // PER_S)
    assert throttle.is_spent("demo", "pi-1", at_ms=1_000 // PER_S)


def test_a_node_that_has_its_whole_allowance_again_is_forgotten() -> None:
    throttle = Throttle()
    throttle.charge("demo", "pi-1", BURST, at_ms=0)
    assert not throttle.is_spent("demo", "pi-1", at_ms=60_000)
    assert throttle._allowances == {}  # noqa: SLF001 what is remembered must stay bounded
