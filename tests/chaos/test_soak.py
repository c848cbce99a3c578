"""Some seconds of a soak, and what it calls growth."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.soak import Sample, judge, run, slope_mb_an_hour

HOUR: list[Sample] = [Sample(float(at_s), 100.0 + at_s % 2, 20 + at_s % 3, 10, 4.0) for at_s in range(0, 3_600, 5)]


@pytest.mark.mosquitto
@pytest.mark.influxd
@pytest.mark.timeout(400)
def test_a_hub_and_an_agent_do_not_grow_while_others_are_killed() -> None:
    ran = run(1, full=False)
    assert ran.wrong == [], ran.reached


def test_what_only_comes_and_goes_is_no_growth() -> None:
    assert judge("hub", HOUR, lasts_s=3_600) == []


def test_the_slope_is_that_of_the_least_squares() -> None:
    growing = [replace(sample, rss_mb=100 + sample.at_s / 1_000) for sample in HOUR]
    assert slope_mb_an_hour(growing) == pytest.approx(3.6)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (lambda sample: replace(sample, rss_mb=100 + sample.at_s / 3_000), "memory grows by 1.2"),
        (lambda sample: replace(sample, fds=20 + int(sample.at_s / 300)), "fds grew from"),
        (lambda sample: replace(sample, threads=10 + int(sample.at_s / 300)), "threads grew from"),
        (lambda sample: replace(sample, wal_mb=sample.at_s / 100), "write-ahead log of 36"),
    ],
)
def test_each_kind_of_growth_is_called_so(of: Callable[[Sample], Sample], says: str) -> None:
    (wrong,) = judge("hub", [of(sample) for sample in HOUR], lasts_s=3_600)
    assert says in wrong
