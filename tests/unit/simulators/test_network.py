from random import Random
from typing import Any

import pytest

from simulators.network import PERFECT, Network, deliver


def test_a_perfect_network_delivers_once_at_once_and_draws_nothing() -> None:
    rng = Random(1)
    before = rng.getstate()

    assert deliver(PERFECT, 0.0, rng) == (0.0,)
    assert rng.getstate() == before


def test_nothing_arrives_in_an_outage_and_all_does_outside() -> None:
    network = Network(outages_s=((10.0, 20.0), (30.0, 31.0)))
    arrived = [len(deliver(network, at_s, Random(1))) for at_s in (9.9, 10.0, 19.9, 20.0, 30.5, 31.0)]

    assert arrived == [1, 0, 0, 1, 0, 1]


def test_losses_duplicates_and_delays_come_at_their_rates() -> None:
    rng = Random(1)
    copies = [deliver(Network(loss_rate=0.2, duplicate_rate=0.1, delay_s=(0.1, 0.5)), 0.0, rng) for _ in range(5_000)]

    assert 0.18 < sum(not one for one in copies) / 5_000 < 0.22
    assert 0.06 < sum(len(one) == 2 for one in copies) / 5_000 < 0.1
    assert all(0.1 <= delay <= 0.5 for one in copies for delay in one)


@pytest.mark.parametrize(
    "wrong", [{"loss_rate": 1.1}, {"duplicate_rate": -0.1}, {"delay_s": (2.0, 1.0)}, {"outages_s": ((5.0, 1.0),)}]
)
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="network"):
        Network(**wrong)
