"""The storm's short run, and what its verdict calls a wave."""

import pytest

from tests.chaos.storm import control, judged, run
from tests.chaos.storm_clients import Kind

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(120)]


def test_a_hundred_clients_come_back_spread_over_time() -> None:
    found = run(7, full=False)
    assert found.wrong == []


def test_a_crowd_that_comes_at_once_or_does_not_get_through_is_called_a_wave() -> None:
    spread = [(10.0 + number / 10, kind, number) for number in range(20) for kind in (Kind.TRIES, Kind.IS_UP)]
    assert judged(spread, died_s=9.0, there_s=10.0, clients=20).wrong() == []
    at_once = [(10.5, kind, number) for number in range(20) for kind in (Kind.TRIES, Kind.IS_UP)]
    assert "20 attempts within" in judged(at_once, died_s=9.0, there_s=10.0, clients=20).wrong()[0]
    failed = [*spread, (11.0, Kind.FAILED, 1), (11.5, Kind.FAILED, 2)]
    assert "2 attempts failed" in judged(failed, died_s=9.0, there_s=10.0, clients=20).wrong()[0]
    assert "19 of 20 back" in judged(spread[:-1], died_s=9.0, there_s=10.0, clients=20).wrong()[0]
    late = [*spread[:-1], (45.0, Kind.IS_UP, 19)]
    assert "the last in 35.0 s" in judged(late, died_s=9.0, there_s=10.0, clients=20).wrong()[0]


def test_without_jitter_or_backoff_the_wave_is_seen() -> None:
    assert control(7).missed == []
