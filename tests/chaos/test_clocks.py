"""Wrong clocks: no alarm is missed or invented, the order holds, times are right; and the test sees what is broken."""

import pytest

from tests.chaos import clock_matrix
from tests.chaos.clock_timeline import MUTANTS, caught
from tests.chaos.clocks import MOST_TO_CATCH, run

SEED = 14
SELDOM = "the hub orders by the devices' time"
"""One history in sixty shows it, so it is left to `make guarantees`."""


@pytest.mark.mosquitto
@pytest.mark.timeout(240)
def test_machines_with_wrong_clocks_miss_nobody_and_are_shown_at_the_right_time() -> None:
    ran = run(SEED, full=False)
    assert ran.wrong == [], ran.figures
    if clock_matrix.library() is None:
        pytest.skip(f"real agents under wrong clocks need the package {clock_matrix.PACKAGE}; the histories held")


@pytest.mark.parametrize("mutant", [name for name in MUTANTS if name != SELDOM])
def test_a_history_of_clocks_shows_this_fault(mutant: str) -> None:
    assert caught(SEED, MUTANTS[mutant], most=MOST_TO_CATCH), mutant
