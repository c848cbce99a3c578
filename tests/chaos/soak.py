"""Soak (G18): a hub and an agent at steady work for an hour, something else killed each minute; nothing in them grows.

`python -m tests.chaos.soak [--seed N] [--minutes M] [--json FILE]`; LINLI_SOAK_MINUTES says how long a full run lasts.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tests.acceptance.outside.client_rest import Problem, metric
from tests.chaos.stand import RATE, Stand
from tests.chaos.strikes import AGENT, BROKER, HUB, INFLUXDB, Strike
from tests.guarantees.guarantee import Control, Guarantee, Run

MINUTES: Final = 60.0
SHORT_S: Final = 16.0
CONTROL_S: Final = 50.0
EDGES: Final = 2
KILLED: Final = ("edge-1", BROKER, "edge-2", INFLUXDB)
"""In turn; the two that are measured live all the time."""
AWAY_S: Final = 2.0
WARM_UP: Final = 1 / 3
"""Of the time, at most so many seconds: caches fill, pools open."""
LONGEST_WARM_UP_S: Final = 900.0
SLOPE_MB_AN_HOUR: Final = 1.0
GROWN_MB: Final = 5.0
"""What a run that is too short for a slope by the hour may gain after its warm-up."""
SHORTEST_FOR_SLOPE_S: Final = 1_200.0
MORE_FDS: Final = 3
"""A connection that is being made and a page that is being asked for come and go."""
WAL_MB: Final = 16.0
"""Four times what SQLite lets a log gather before it looks for a moment to write it back."""
SHORT_WAL_MB: Final = 6.0
COMES_TO_REST_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at a moment."""

    at_s: float
    rss_mb: float
    fds: int
    threads: int
    wal_mb: float


@dataclass(slots=True)
class Figures:
    """What a soak came to."""

    seed: int
    minutes: float = 0.0
    kills: int = 0
    records: int = 0
    closed: int = 0
    """Alerts that the people on duty have closed."""
    warm_up_s: float = 0.0
    slope_mb_an_hour: dict[str, float] = field(default_factory=dict[str, float])
    most: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    """After the warm-up."""
    samples: dict[str, list[Sample]] = field(default_factory=dict[str, list[Sample]])
    wrong: list[str] = field(default_factory=list[str])

    @property
    def reached(self) -> str:
        """The figures in one line."""
        slopes = ", ".join(f"{name} {slope:+.2f} MB/h" for name, slope in self.slope_mb_an_hour.items())
        most = ", ".join(
            f"{name} {most['rss_mb']:.0f} MB, {most['fds']:.0f} files, log {most['wal_mb']:.1f} MB"
            for name, most in self.most.items()
        )
        return (
            f"{self.minutes:.0f} min with {self.kills} kills and {self.records:,} records: memory {slopes};"
            f" at most {most}"
        )


def slope_mb_an_hour(samples: Sequence[Sample]) -> float:
    """The slope of the memory by least squares."""
    middle_s = sum(sample.at_s for sample in samples) / len(samples)
    middle_mb = sum(sample.rss_mb for sample in samples) / len(samples)
    spread = sum((sample.at_s - middle_s) ** 2 for sample in samples)
    return 3_600 * sum((s.at_s - middle_s) * (s.rss_mb - middle_mb) for s in samples) / spread if spread else 0.0


def judge(name: str, samples: Sequence[Sample], *, lasts_s: float) -> list[str]:
    """What a soak does not allow a process, by its samples after the warm-up."""
    wrong: list[str] = []
    slope = slope_mb_an_hour(samples)
    if lasts_s >= SHORTEST_FOR_SLOPE_S and slope > SLOPE_MB_AN_HOUR:
        wrong.append(f"{name}: memory grows by {slope:.2f} MB an hour")
    grown_mb = slope * (samples[-1].at_s - samples[0].at_s) / 3_600
    if grown_mb > GROWN_MB:
        wrong.append(f"{name}: memory grew by {grown_mb:.1f} MB")
    third = max(1, len(samples) // 3)
    for what in ("fds", "threads"):
        before, after = (max(getattr(s, what) for s in part) for part in (samples[:third], samples[-third:]))
        if after > before + MORE_FDS:
            wrong.append(f"{name}: {what} grew from {before} to {after}")
    wal_mb = max(sample.wal_mb for sample in samples)
    if wal_mb > (WAL_MB if lasts_s >= SHORTEST_FOR_SLOPE_S else SHORT_WAL_MB):
        wrong.append(f"{name}: write-ahead log of {wal_mb:.1f} MB")
    return wrong


class Sampler:
    """Looks at the hub and the agent."""

    def __init__(self, stand: Stand) -> None:
        self._begun_s = time.monotonic()
        self._watched = {
            HUB: (psutil.Process(stand.hub.pid), stand.hub.data_dir),
            AGENT: (psutil.Process(stand.agent.pid), stand.agent.data),
        }
        self.samples: dict[str, list[Sample]] = {name: [] for name in self._watched}

    def look(self) -> None:
        at_s = time.monotonic() - self._begun_s
        for name, (process, folder) in self._watched.items():
            with process.oneshot():
                memory, threads = process.memory_info().rss / 1e6, process.num_threads()
            wal_mb = max((path.stat().st_size for path in folder.glob("*-wal")), default=0) / 1e6
            self.samples[name].append(
                Sample(round(at_s, 1), round(memory, 3), process.num_fds(), threads, round(wal_mb, 3))
            )


def soak(seed: int, *, lasts_s: float, kill_every_s: float, leaky: bool = False) -> Figures:
    """Have everybody work so long, kill in turn, sample, and count at the end what was made and what the hub has."""
    figures = Figures(seed, warm_up_s=min(LONGEST_WARM_UP_S, WARM_UP * lasts_s))
    with tempfile.TemporaryDirectory(prefix="linli-soak-") as folder, ExitStack() as stack:
        readings = int(RATE * (lasts_s + COMES_TO_REST_S))  # they never end before the soak does
        stand = Stand(stack, Path(folder), edges=EDGES, readings=readings, presses=False)
        if leaky:
            stand.hub.stop()
            stand.hub.command = (sys.executable, "-m", "tests.chaos.leaky_hub")
            stand.hub.start()
        stand.start_agent()
        stand.await_work()
        begun_s = time.monotonic()
        sampler = Sampler(stand)
        _go_on(stand, sampler, figures, seed=seed, until_s=begun_s + lasts_s, kill_every_s=kill_every_s)
        figures.minutes = round((time.monotonic() - begun_s) / 60, 2)
        figures.samples = sampler.samples
        if any(edge.made("telemetry") >= readings for edge in stand.edges):
            figures.wrong.append("an edge had nothing more to make before the end")
        _count(stand, figures)
    for name, samples in figures.samples.items():
        warm = [sample for sample in samples if sample.at_s >= figures.warm_up_s]
        figures.slope_mb_an_hour[name] = round(slope_mb_an_hour(warm), 3)
        figures.most[name] = {
            what: max(getattr(sample, what) for sample in warm) for what in ("rss_mb", "fds", "threads", "wal_mb")
        }
        figures.wrong += judge(name, warm, lasts_s=lasts_s)
    return figures


def _go_on(stand: Stand, sampler: Sampler, figures: Figures, *, seed: int, until_s: float, kill_every_s: float) -> None:
    every_s = min(5.0, kill_every_s / 8)
    targets = itertools.cycle(KILLED[seed % len(KILLED) :] + KILLED[: seed % len(KILLED)])
    kill_s = time.monotonic() + kill_every_s
    while time.monotonic() < until_s:
        sampler.look()
        time.sleep(every_s)
        if time.monotonic() < kill_s:
            continue
        kill_s += kill_every_s
        back = stand.strike(Strike(0.0, next(targets)), within_s=COMES_TO_REST_S)
        figures.kills += 1
        time.sleep(min(AWAY_S, kill_every_s / 4))
        assert back is not None
        back()
        figures.closed += _close_alerts(stand)


def _close_alerts(stand: Stand) -> int:
    """The people on duty have helped everybody who called."""
    closed = 0
    for alert in stand.site.alerts(fault_code="sosPressed"):
        if alert["state"] in ("firing", "acknowledged"):
            try:
                stand.admin.post(f"alerts/{alert['id']}/resolve", {"outcome": "helped"})
            except Problem as problem:  # pressed again meanwhile: the next round finds it
                if problem.status != 409:
                    raise
            closed += 1
    return closed


def _count(stand: Stand, figures: Figures) -> None:
    """Nothing more is made; everything that was is with the hub."""
    for edge in stand.edges:
        edge.enough()
    for edge in stand.edges:
        try:
            edge.finish(COMES_TO_REST_S)
        except Exception as error:  # noqa: BLE001 whatever it is, the promise did not hold
            figures.wrong.append(f"{edge.node} did not come to rest: {error!r}")
    assert stand.agent.stop() == 0
    made = {(edge.node, lane): edge.made(lane) for edge in stand.edges for lane in ("telemetry", "sos")}
    for (node, lane), count in made.items():
        found = [row for row in stand.site.lanes(node) if row["lane"] == lane]
        stored = sum(row["stored"] for row in found)
        figures.records += stored
        if stored != count or any(row["high_water"] != count for row in found):
            figures.wrong.append(f"{node} made {count} of {lane}, the hub has {stored}")
    if metric(stand.hub.url, "linli_conservation_residual") != 0:
        figures.wrong.append("the hub's books do not balance")


def run(seed: int, *, full: bool) -> Run:
    """The hour, or as many minutes as LINLI_SOAK_MINUTES says; short: some seconds with a kill every four."""
    minutes = float(os.environ.get("LINLI_SOAK_MINUTES", MINUTES))
    figures = soak(seed, lasts_s=60 * minutes if full else SHORT_S, kill_every_s=60.0 if full else 4.0)
    return Run(figures.reached, figures.wrong, asdict(figures))


def control(seed: int) -> Control:
    """A hub that leaks memory, files and log: each must be seen within less than a minute."""
    figures = soak(seed, lasts_s=CONTROL_S, kill_every_s=10.0, leaky=True)
    signs = {"keep_every_message": "memory grew", "leave_files_open": "fds grew", "never_checkpoint": "write-ahead log"}
    caught = {
        name: any(wrong.startswith(HUB) and sign in wrong for wrong in figures.wrong) for name, sign in signs.items()
    }
    return Control(caught, {**asdict(figures), "samples": {}})


GUARANTEE: Final = Guarantee(
    name="G18",
    promise="Linli runs on and on: after an hour with something killed every minute the hub and the agent are as"
    " large as before.",
    aim="60 min, a kill every 60 s: memory ≤ 1 MB/h by least squares, open files constant, write-ahead logs ≤ 16 MB",
    run=run,
    control=control,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--kill-every-s", type=float, default=60.0)
    parser.add_argument("--leaky", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = soak(given.seed, lasts_s=60 * given.minutes, kill_every_s=given.kill_every_s, leaky=given.leaky)
    found: dict[str, Any] = {"reached": figures.reached, **asdict(figures)}
    if given.json is not None:
        given.json.write_text(json.dumps(found))
    print(json.dumps({**found, "samples": {}}, indent=1))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
