"""A sweep that fails: a store that is away is no hang, a fault of the hub's own that never ends looks like one."""

from typing import cast

import pytest

from hub.errors import StorageError
from hub.ingest.renewal import Renewal
from hub.ingest.supervision import Supervisor
from hub.jobs.sweeps import Sweeps, Transactions, _together


class FailingRenewal:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def renew(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "moves"), [(StorageError("connection refused"), True), (RuntimeError("a fault of the hub's own"), False)]
)
def test_a_sweep_moves_while_its_store_is_away(error: Exception, moves: bool) -> None:
    nothing = cast("Transactions", None)
    sweeps = Sweeps(nothing, cast("Supervisor", None), cast("Renewal", FailingRenewal(error)), now_ms=lambda: 1_000)
    with pytest.raises(type(error)):
        sweeps.run()
    assert (sweeps.pulse.age_s > 0) is moves


def test_a_process_that_is_frozen_between_two_clocks_reads_them_again() -> None:
    steady = iter([1_000, 9_000, 9_001, 9_002])
    wall = iter([500_000, 508_001])
    assert _together(lambda: next(wall), lambda: next(steady)) == (508_001, 9_001)
