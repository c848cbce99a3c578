"""Simulated time (`LINLI_CLOCK=messages`): what the committed messages say.

Every deadline on the way is met at its own time.
"""

from collections.abc import Callable
from threading import Lock
from typing import Final

from hub.clock import MessageClock
from hub.ingest.deadlines import Deadlines
from hub.ingest.ports import Transactions, Unit

CLOCK_MARK: Final = "clock_ms"
"""Where simulated time is kept over a restart."""
LOOK_AHEAD: Final = 64
"""Stored deadlines of facilities and of nodes that are known at a time; what is gathered is cut at the last of them."""


class SimulatedTime:
    """The one line of time that all consumers move along, one at a time: `turn` is held while messages are taken."""

    def __init__(
        self, clock: MessageClock, transactions: Transactions, *, sweep: Callable[[MessageClock, int], None]
    ) -> None:
        """Wire it; `sweep` moves the clock on, meeting every stored deadline at its own time."""
        self._clock = clock
        self._transactions = transactions
        self._sweep = sweep
        self._marked_ms = clock.now_ms()
        self.turn = Lock()

    def now_ms(self) -> int:
        """Return the simulated time."""
        return self._clock.now_ms()

    def deadlines(self) -> Deadlines:
        """Return the deadlines as they are stored."""
        with self._transactions.read() as unit:
            return unit.states.deadlines(LOOK_AHEAD)

    def sweep(self, to_ms: int) -> None:
        """Move to `to_ms`; every stored deadline on the way is met at its own time."""
        self._sweep(self._clock, to_ms)

    def mark(self, unit: Unit, at_ms: int) -> None:
        """Have time stand at `at_ms` from the commit of `unit` on, also after a restart."""
        if at_ms <= self._marked_ms:
            return
        unit.meta.set(CLOCK_MARK, str(at_ms))

        def install() -> None:
            self._clock.advance(at_ms)
            self._marked_ms = at_ms

        unit.on_committed(install)
