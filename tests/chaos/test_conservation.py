"""The hub's books and those of the node that sent are the same in every term."""

import pytest

from tests.chaos.conservation import run


@pytest.mark.mosquitto
@pytest.mark.timeout(200)
def test_every_term_of_the_conservation_law_is_as_the_sender_counts_it() -> None:
    found = run(3, full=False)
    assert found.wrong == []
    assert all(found.figures[term] for term in ("stored", "quarantined", "gaps", "duplicates", "loss"))
