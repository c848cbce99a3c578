"""A short run of SOS latency at a real agent, hub and broker, and what its verdict refuses."""

import pytest

from tests.chaos.sos_latency import LIMITS, run
from tests.chaos.wearers import Latency, Press

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxd, pytest.mark.timeout(180)]


def test_a_press_is_sent_in_a_moment_calm_and_beside_a_backlog() -> None:
    assert run(7, full=False).wrong == []


def test_slow_presses_and_presses_that_were_never_sent_are_refused() -> None:
    quick = [Press(f"b:{number}", at_ms=1_000, sent_ms=1_020) for number in range(200)]
    assert Latency.of("calm", quick).wrong(LIMITS, at_least=100) == []
    slow = [*quick, *(Press(f"s:{number}", at_ms=0, sent_ms=700) for number in range(3))]
    assert Latency.of("calm", slow).wrong(LIMITS, at_least=100) == ["calm: p99 700 ms, allowed 500"]
    lost = Latency.of("calm", [*quick, Press("lost", at_ms=0, sent_ms=None)]).wrong(LIMITS, at_least=100)
    assert "calm: 1 presses were never sent" in lost
    assert Latency.of("calm", quick[:9]).wrong(LIMITS, at_least=100) == ["calm: only 9 presses"]
