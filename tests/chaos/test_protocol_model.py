"""The protocol's model, briefly; `make guarantees` runs it 2,000 times and breaks the code in twenty ways."""

import pytest

from tests.chaos.protocol_model import ProtocolModel, run, search
from tests.chaos.protocol_mutants import MUTANTS, putting_in
from tests.guarantees import wire_rules


def test_no_run_of_the_model_breaks_the_protocol() -> None:
    assert run(1, full=False).wrong == []


@pytest.mark.parametrize("name", ["the hub counts duplicates", "the hub moves twice over what it quarantines"])
def test_a_broken_build_is_found_out(name: str) -> None:
    mutant = MUTANTS[name]
    with putting_in(mutant):
        found = search(type("Mutant", (ProtocolModel,), dict(mutant.parts)), runs=100, steps=40, drawn=1)
    assert found.found is not None


def test_a_rule_of_the_contract_that_is_broken_is_noticed_and_one_that_is_not_is_not() -> None:
    (row,) = wire_rules.rows_of("§3 edge 2: at most 8 messages unacknowledged")
    (verdict,) = wire_rules.break_rules([row])
    assert verdict.caught
    (verdict,) = wire_rules.break_rules([wire_rules.unnoticed(row)])
    assert not verdict.caught
