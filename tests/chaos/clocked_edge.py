"""The real agent on a machine that is told of: `python -m tests.chaos.clocked_edge FILE ARGUMENT …`.

FILE is JSON: `claims`, whether the system says that its clock was set; `boot`, a name that stands for
the kernel's boot id; `booted_s`, where on this machine's uptime that boot began; `mutant`, a fault to put in.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge import app, clock, ids
from edge.__main__ import main
from edge.clock import Moment
from protocols.envelope import ClockState


def always_synced() -> None:
    """The agent says that its clock was set, whatever it is, and believes it."""
    moment = clock.Clock.moment

    def mutant(self: clock.Clock) -> Moment:
        return Moment(datetime.now(UTC), moment(self).uptime_ms, ClockState.SYNCED)

    clock.Clock.moment = mutant


MUTANTS: Final[dict[str, Callable[[], None]]] = {always_synced.__name__: always_synced}


def tell(machine: dict[str, Any], folder: Path) -> None:
    """Have this process take the machine for what it is said to be."""
    booted_s = float(machine["booted_s"])
    boot = folder / "boot_id"
    boot.write_text(machine["boot"])

    def uptime_s() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - booted_s

    said = {"is_synchronized": lambda: bool(machine["claims"]), "uptime_s": uptime_s}
    clock.Clock.__init__.__kwdefaults__ = {**(clock.Clock.__init__.__kwdefaults__ or {}), **said}
    app.boot_of.__kwdefaults__ = {**(ids.boot_of.__kwdefaults__ or {}), "kernel": boot}
    if machine["mutant"] is not None:
        MUTANTS[machine["mutant"]]()


if __name__ == "__main__":
    told = Path(sys.argv[1])
    tell(json.loads(told.read_text()), told.parent)
    sys.argv = ["linli-edge", *sys.argv[2:]]
    main()
