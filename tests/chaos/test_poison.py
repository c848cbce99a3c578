"""Poison: a node that sends nonsense stops nobody, and all of it is accounted for."""

import pytest

from tests.chaos.poison import run
from tests.chaos.poisons import KINDS, LARGEST_BYTES, brew

SEED = 12


@pytest.mark.mosquitto
@pytest.mark.timeout(240)
def test_a_thousand_hostile_messages_stop_nobody_and_are_all_accounted_for() -> None:
    ran = run(SEED, full=False)
    assert ran.wrong == [], ran.figures
    assert ran.figures["sent"] == 1_000
    assert ran.figures["refused_with_reason"] > 0
    assert ran.figures["quarantined_records"] > 0


def test_every_kind_of_poison_is_brewed_by_its_seed_and_fits_into_a_packet() -> None:
    brewed = list(brew(SEED, 600))
    assert {poison.kind for poison in brewed} == set(KINDS)
    assert max(len(poison.payload) for poison in brewed) <= LARGEST_BYTES + 1
    assert brewed == list(brew(SEED, 600))
