"""G2: a power cut takes nothing that was acknowledged and leaves nothing corrupt or half; weaker syncs are caught."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.chaos.power_cut.cuts import Figures, Subject, cut, record
from tests.chaos.power_cut.hub_subject import HubSubject
from tests.chaos.power_cut.outbox_subject import OutboxSubject
from tests.chaos.power_cut.recorder import recording
from tests.guarantees.guarantee import Control, Guarantee, Run

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 the cut disk is simulated: its files need no real one
_FULL: Final = {"edge outbox": (6, 240), "hub, SQLite": (2, 280), "hub, log for InfluxDB": (1, 140)}
"""Recorded runs and cuts of each, besides those that strike again while recovering."""
_SHORT: Final = {"edge outbox": (1, 72), "hub, SQLite": (1, 16), "hub, log for InfluxDB": (1, 8)}
_LEAST_CUTS: Final = 2_000
_FAULTS: Final = ("lost", "half", "unusable")
_STEPS: Final = {"edge outbox": 120, "hub, SQLite": 40, "hub, log for InfluxDB": 40}
_SUBJECTS: Final[dict[str, Callable[[str | None], Subject]]] = {
    "edge outbox": lambda synchronous: OutboxSubject(synchronous=synchronous),
    "hub, SQLite": lambda synchronous: HubSubject(synchronous=synchronous),
    "hub, log for InfluxDB": lambda synchronous: HubSubject(synchronous=synchronous, influx=True),
}


def run(seed: int, *, full: bool) -> Run:
    """Cut the real stores; `full` makes more than 2,000 cuts."""
    plan = _FULL if full else _SHORT
    stores = {name: _cut(name, None, seed=seed, runs=runs, cuts=cuts) for name, (runs, cuts) in plan.items()}
    sums = {key: sum(figures[key] for figures in stores.values()) for key in ("cuts", "second_cuts", *_FAULTS)}
    reached = (
        f"{sums['lost']} acknowledged steps lost, {sums['half']} stores half written, {sums['unusable']} damaged after"
        f" {sums['cuts']:,} power cuts, {sums['second_cuts']:,} of them while the store recovered from one"
    )
    wrong = [
        f"{name}: {figures[fault]} of {figures['cuts']} cuts left it {fault}; first at {figures['first_fault']}"
        for name, figures in stores.items()
        for fault in _FAULTS
        if figures[fault]
    ]
    least = _LEAST_CUTS if full else 1
    if sums["cuts"] < least:
        wrong.append(f"{sums['cuts']} cuts, and {least:,} were promised")
    return Run(reached, wrong, {**sums, "stores": stores})


def control(seed: int) -> Control:
    """Cut the same stores at synchronous=NORMAL, and the outbox at OFF: what must be found lost or damaged."""
    weak = {
        "edge outbox at synchronous=NORMAL": _cut("edge outbox", "NORMAL", seed=seed, runs=1, cuts=24),
        "edge outbox at synchronous=OFF": _cut("edge outbox", "OFF", seed=seed, runs=1, cuts=24),
        "hub at synchronous=NORMAL": _cut("hub, SQLite", "NORMAL", seed=seed, runs=1, cuts=12),
    }
    caught = {name: any(figures[fault] for fault in _FAULTS) for name, figures in weak.items()}
    return Control(caught, {"stores": weak})


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


GUARANTEE: Final = Guarantee(
    name="G2",
    promise="A power cut at any instant takes nothing that was acknowledged, and leaves no store damaged or half"
    " written: at the edge, at the hub, and in the log that waits for InfluxDB.",
    aim="0 lost, 0 half, 0 damaged over at least 2,000 simulated cuts, torn pages among them",
    run=run,
    control=control,
)
