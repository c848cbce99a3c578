"""G2: a power cut takes nothing that was acknowledged and leaves nothing corrupt or half; weaker syncs are caught."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.chaos.power_cut.cuts import Figures, Subject, cut, record
from tests.chaos.power_cut.hub_subject import HubSubject
from tests.chaos.power_cut.outbox_subject import OutboxSubject
from tests.chaos.power_cut.recorder import recording

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 the cut disk is simulated: its files need no real one
_FULL: Final = {"edge outbox": (6, 240), "hub, SQLite": (2, 280), "hub, log for InfluxDB": (1, 140)}
"""Recorded runs and cuts of each, besides those that strike again while recovering."""
_SHORT: Final = {"edge outbox": (1, 72), "hub, SQLite": (1, 16), "hub, log for InfluxDB": (1, 8)}
_STEPS: Final = {"edge outbox": 120, "hub, SQLite": 40, "hub, log for InfluxDB": 40}
_SUBJECTS: Final[dict[str, Callable[[str | None], Subject]]] = {
    "edge outbox": lambda synchronous: OutboxSubject(synchronous=synchronous),
    "hub, SQLite": lambda synchronous: HubSubject(synchronous=synchronous),
    "hub, log for InfluxDB": lambda synchronous: HubSubject(synchronous=synchronous, influx=True),
}


def run(seed: int, *, full: bool) -> dict[str, Any]:
    """Cut the real stores; return figures for each, and the sums that must be 0: lost, half, unusable."""
    plan = _FULL if full else _SHORT
    stores = {name: _cut(name, None, seed=seed, runs=runs, cuts=cuts) for name, (runs, cuts) in plan.items()}
    sums = {key: sum(figures[key] for figures in stores.values()) for key in ("cuts", "lost", "half", "unusable")}
    return {"seed": seed, **sums, "stores": stores}


def control(seed: int) -> dict[str, Any]:
    """Cut the same stores at synchronous=NORMAL, and the outbox at OFF: what must be found lost or unusable."""
    weak = {
        "edge outbox at NORMAL": _cut("edge outbox", "NORMAL", seed=seed, runs=1, cuts=24),
        "edge outbox at OFF": _cut("edge outbox", "OFF", seed=seed, runs=1, cuts=24),
        "hub at NORMAL": _cut("hub, SQLite", "NORMAL", seed=seed, runs=1, cuts=12),
    }
    return {"seed": seed, "caught": all(_faults(figures) for figures in weak.values()), "stores": weak}


def _faults(figures: dict[str, Any]) -> int:
    return figures["lost"] + figures["half"] + figures["unusable"]


def _cut(name: str, synchronous: str | None, *, seed: int, runs: int, cuts: int) -> dict[str, Any]:
    total = Figures()
    for number in range(runs):
        random = Random(f"{seed}/{name}/{number}")
        with recording() as recorder, TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            work = Path(folder, "work")
            work.mkdir()
            run_of = record(_SUBJECTS[name](synchronous), recorder, work, steps=_STEPS[name], random=random)
            total.join(
                cut(_SUBJECTS[name](synchronous), recorder, Path(folder, "cut"), run_of, cuts=cuts, random=random)
            )
    return total.as_dict()


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    json.dump({"run": run(chosen, full=True), "control": control(chosen)}, sys.stdout, indent=1)
