"""The outbox at its limits (G10): a week without a hub, a full disk, one that takes nothing, a corrupt file; drain."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from simulators.servers.cache import cache_directory
from tests.benchmarks import drain
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Sizes, Stage
from tests.chaos.outbox_full import EVICTS_CALLS, HIDDEN, play
from tests.chaos.outbox_week import offline
from tests.chaos.power_cut.recorder import recording
from tests.chaos.small_disk import DISK_MB, RecordedDisk, on_a_mounted_disk
from tests.guarantees.guarantee import Control, Guarantee, Run

WEEK: Final = timedelta(days=7)
SHORT: Final = timedelta(minutes=30)
DRAINED_A_SECOND: Final = 5_000
SIGNS: Final = {
    **dict.fromkeys(HIDDEN, "the hub does not get beyond"),
    EVICTS_CALLS: "calls for help were not heard",
}
"""Mutant → what is found wrong then."""


def run(seed: int, *, full: bool) -> Run:
    """Go to the limits; `full` lets a whole week pass and measures the drain."""
    week, wrong = offline(seed, duration=WEEK if full else SHORT)
    limits = _limits(seed)
    wrong += limits.pop("wrong")
    figures: dict[str, Any] = {"offline": week, "limits": limits}
    reached = (
        f"{week['readings']:,} readings of {week['days']:.3g} days kept in {week['outbox_mb']} MB,"
        f" {week['million_mb']} MB a million; on {limits['disk']} {limits['calls']} calls and {limits['events']} events"
        f" all stored, {limits['calls_from_memory']} call sent from memory, {limits['thinned']:,} readings thinned and"
        f" {limits['evicted']:,} evicted, each declared to the hub"
    )
    if full:
        figures["drained_a_second"] = a_second = _drain()
        reached += f"; drained at {a_second:,.0f} records/s"
        if a_second < DRAINED_A_SECOND:
            wrong.append(f"an outbox drains at {a_second:,.0f} records/s")
    return Run(reached, wrong, figures)


def control(seed: int) -> Control:
    """An outbox that gives up what it must not, or tells nobody, is caught."""
    seen = {fault: _limits(seed, fault=fault)["wrong"] for fault in SIGNS}
    sound: list[str] = _limits(seed)["wrong"]
    return Control.by_signs(SIGNS, seen, dict.fromkeys(SIGNS, sound))


def _limits(seed: int, *, fault: str = "") -> dict[str, Any]:
    """Play on a real small disk, or where none may be mounted on one that SQLite takes for full."""
    found = on_a_mounted_disk(seed, fault)
    if found is not None:
        return {**found, "disk": f"a full disk of {DISK_MB} MB"}
    with TemporaryDirectory(prefix="linli-disk-") as name, recording() as recorder:
        return {**play(seed, RecordedDisk(Path(name), recorder), fault=fault), "disk": RecordedDisk.kind}


def _drain() -> float:
    report = Report()
    with TemporaryDirectory(prefix="linli-drain-", dir=cache_directory()) as name:
        sizes = Sizes(nodes=1, presses=0)
        with Stage.open(Path(name), sizes, say=lambda _: None) as stage:
            drain.measure(stage, report)
    return report.median(drain.BENCHMARK, "linli", "records a second")


GUARANTEE: Final = Guarantee(
    name="G10",
    promise="A node without its hub keeps a week of readings, and on a full disk gives up readings only, each declared;"
    " never a call for help or an event.",
    aim="7 days of 20 sensors at 10 s; a million readings ≤ 100 MB; no call or event given up; every eviction a gap"
    " record; drain ≥ 5,000 records/s",
    run=run,
    control=control,
)
