"""Random histories of a Pi's clock: what the hub makes of its records and calls, whatever the clock said."""

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from edge.clock import Clock, Moment
from edge.uplink import courier
from hub.ingest.effective_time import TimeSource, effective_time
from hub.rules.rule import Cleared, Raised
from hub.vocabulary import FaultCode
from protocols.envelope import ClockState
from protocols.events import Event
from protocols.lanes import Lane
from protocols.readings import Reading
from tests.chaos.clock_hub import INTERVAL_MS, Dated, Dating, DatingHub, Placed, by_device_time, by_seq, trust_at
from tests.chaos.clock_pi import STARTS_MS, Pi, World

MEMORY: Final = Path("/dev/shm")  # noqa: S108 a folder of random name in it; no disk is worn by thousands of commits
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
LASTS_MS: Final = 15 * MINUTE_MS
QUIET_MS: Final = 4 * MINUTE_MS
"""At the end nothing more happens: what is ever told is told by then."""
TO_1970_MS: Final = -STARTS_MS
TO_2100_MS: Final = 4_102_444_800_000 - STARTS_MS
TO_BUILD_MS: Final = 1_748_736_000_000 - STARTS_MS
"""1 June 2025: a clock that begins where the system's image was made."""
WRONG_MS: Final = (TO_1970_MS, TO_2100_MS, TO_BUILD_MS, DAY_MS, -DAY_MS, 4 * MINUTE_MS, -4 * MINUTE_MS, 3_000, -3_000)
FULL_PERCENT: Final = 92.0
AIM_MS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Build:
    """What runs: the real edge and hub, or one with a fault."""

    clock: type[Clock] = Clock
    date: Dating = effective_time
    order: Callable[[Placed], Placed] = by_seq
    mixes_boots: bool = False


class AlwaysSynced(Clock):
    """A mutant: the edge says that its clock was set, whatever it is, and believes it."""

    def moment(self) -> Moment:
        moment = super().moment()
        return Moment(self._wall(), moment.uptime_ms, ClockState.SYNCED)


class NeverContradicted(Clock):
    """A mutant: a clock that was set once is right for ever."""

    def _off_ms(self, wall: object, uptime_ms: int) -> None:
        return None


REAL: Final = Build()
MUTANTS: Final = {
    "the hub trusts every time it is told": Build(date=trust_at),
    "the edge calls its clock set, always": Build(clock=AlwaysSynced),
    "the edge lets no hub contradict a set clock": Build(clock=NeverContradicted),
    "the hub orders by the devices' time": Build(order=by_device_time),
    "a message mixes boots": Build(mixes_boots=True),
}


@dataclass(slots=True)
class Verdict:
    """What became of one history or of many."""

    histories: int = 0
    boots: int = 0
    records: int = 0
    calls: int = 0
    worst_error_ms: int = 0
    bounded: int = 0
    """Records of boots that never learnt the time: they lie between their neighbours."""
    unknowable: int = 0
    """Records of a clock that lied and was corrected by nobody before its boot ended."""
    full_bins: int = 0
    sources: dict[str, int] = field(default_factory=dict[str, int])
    wrong: list[str] = field(default_factory=list[str])

    def join(self, other: "Verdict") -> None:
        for name in ("histories", "boots", "records", "calls", "bounded", "unknowable", "full_bins"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst_error_ms = max(self.worst_error_ms, other.worst_error_ms)
        for source, times in other.sources.items():
            self.sources[source] = self.sources.get(source, 0) + times
        self.wrong += other.wrong


def play(seed: str, build: Build = REAL) -> Verdict:
    """Live through one history of a quarter of an hour."""
    random = Random(seed)
    with _folder() as folder, _composing(build):
        world, hub = World(), DatingHub(date=build.date, order=build.order)
        pi = Pi(world, hub, folder, random, clock=build.clock)
        full_ms = STARTS_MS + random.randrange(MINUTE_MS, LASTS_MS - 6 * MINUTE_MS) if random.random() < 0.7 else None
        _plan(world, hub, pi, random, full_ms=full_ms)
        world.run(STARTS_MS + LASTS_MS)
        pi.stop()
    return _judge(pi, hub, seed=seed, full_ms=full_ms)


def play_many(seed: int, number: int, build: Build = REAL) -> Verdict:
    """Live through so many histories."""
    sum_of = Verdict()
    for each in range(number):
        sum_of.join(play(f"{seed}/{each}", build))
    return sum_of


def caught(seed: int, build: Build, *, most: int) -> bool:
    """Whether one of so many histories shows the fault."""
    return any(play(f"{seed}/{each}", build).wrong for each in range(most))


def _plan(world: World, hub: DatingHub, pi: Pi, random: Random, *, full_ms: int | None) -> None:
    """What happens: the clock at each boot, jumps, drift, a time service, reboots, restarts, a link that goes."""
    begin_clock(pi, random)
    pi.power_on()
    world.after(random.randrange(1_000, 40_000), pi.link_up)
    ends_ms = STARTS_MS + LASTS_MS

    def level() -> float:
        return FULL_PERCENT if full_ms is not None and world.true_ms >= full_ms else 12.0

    def read() -> None:
        pi.read(level())
        hub.look(world.true_ms)

    for true_ms in range(STARTS_MS + 1_000, ends_ms, INTERVAL_MS):
        world.at(true_ms, read)
    for _ in range(random.randint(1, 4)):
        world.at(_moment_of(random), pi.press)
    for _ in range(random.randint(0, 5)):
        world.at(_moment_of(random), random.choice(_happenings(world, pi, random, level)))
    world.at(ends_ms - QUIET_MS, lambda: _rest(world, pi))


def _moment_of(random: Random) -> int:
    return STARTS_MS + random.randrange(5_000, LASTS_MS - QUIET_MS - MINUTE_MS)


def begin_clock(pi: Pi, random: Random) -> None:
    """The clock that a boot begins with."""
    pi.claims = random.random() < 0.4
    drift_ppm = random.choice((0, 0, 0, 200, -200, 30_000))
    pi.set_wall(0 if random.random() < 0.25 else random.choice(WRONG_MS), drift_ppm=drift_ppm)


def _happenings(world: World, pi: Pi, random: Random, level: Callable[[], float]) -> list[Callable[[], None]]:
    away_ms = random.randrange(2_000, 200_000)

    def begin(start: Callable[[], None]) -> None:
        """An agent reads its sensors as soon as it runs."""
        start()
        world.after(500, lambda: pi.read(level()))
        world.after(3_000, pi.link_up)

    def reboot() -> None:
        pi.stop()
        begin_clock(pi, random)
        world.after(min(away_ms, 40_000), lambda: begin(pi.power_on))

    def reboot_while_away() -> None:
        """What it made since the link went is sent in another boot."""
        pi.link_down()
        world.after(min(away_ms, 100_000), reboot)

    def restart() -> None:
        pi.stop()
        if random.random() < 0.5:
            pi.set_wall(random.choice(WRONG_MS))
        world.after(2_000, lambda: begin(pi.start))

    def lose_link() -> None:
        pi.link_down()
        world.after(away_ms, pi.link_up)

    def jump() -> None:
        pi.set_wall(random.choice(WRONG_MS), drift_ppm=random.choice((0, 30_000)))

    def time_service() -> None:
        pi.claims = True
        pi.set_wall(0)

    return [reboot, reboot_while_away, restart, lose_link, jump, jump, time_service]


def _rest(world: World, pi: Pi) -> None:
    """From here on the node is up and linked."""
    world.after(MINUTE_MS, pi.link_up)


def _judge(pi: Pi, hub: DatingHub, *, seed: str, full_ms: int | None) -> Verdict:
    verdict = Verdict(histories=1, boots=pi.boot, full_bins=int(full_ms is not None))

    def wrong(what: str) -> None:
        verdict.wrong.append(f"history {seed}: {what}")

    found: dict[str, Dated] = {}
    for one in hub.dated:
        if (name := _name(one)) in found:
            wrong(f"{name} was taken twice")
        found[name] = one
        verdict.sources[one.source] = verdict.sources.get(one.source, 0) + 1
    verdict.records = len(found)
    missing = set(pi.made) - set(found)
    if missing:
        wrong(f"{len(missing)} records never came")
    for name, one in found.items():
        _judge_time(pi, one, name, verdict, wrong)
    for lane in Lane:
        made_ms = [pi.made[_name(one)][0] for one in hub.dated if one.lane is lane]
        if made_ms != sorted(made_ms):
            wrong(f"the records of {lane} are out of order")
    for lane in Lane:
        seen = sorted((one for one in hub.dated if one.lane is lane), key=lambda one: (one.at_ms, one.seq))
        shown_ms = [pi.made[_name(one)][0] for one in seen if not _unknowable(pi, pi.made[_name(one)][1])]
        if any(later_ms < earlier_ms - AIM_MS for earlier_ms, later_ms in pairwise(shown_ms)):
            wrong(f"the records of {lane} are shown in another order than they happened")
    told = [at_ms for at_ms, _, _ in pi.reports]
    if len(told) != len(set(told)):
        wrong("one jump of the clock was told twice")
    calls = {name for name in pi.made if ":" in name}
    verdict.calls = len(calls)
    if calls != set(hub.calls_heard):
        wrong(f"calls {sorted(calls ^ set(hub.calls_heard))} were missed or invented")
    _judge_alerts(hub, full_ms, wrong)
    return verdict


def _judge_time(pi: Pi, one: Dated, name: str, verdict: Verdict, wrong: Callable[[str], None]) -> None:
    made_ms, boot = pi.made[name]
    if int(one.boot, 16) != boot:
        wrong(f"{name} came as a record of another boot")
    if _unknowable(pi, boot):
        verdict.unknowable += 1
    elif one.source is TimeSource.BOUNDED:
        verdict.bounded += 1
        if one.at_ms > one.received_ms:
            wrong(f"{name} lies in the future")
    else:
        error_ms = abs(one.at_ms - made_ms)
        verdict.worst_error_ms = max(verdict.worst_error_ms, error_ms)
        if error_ms > AIM_MS:
            wrong(f"{name} is shown {error_ms / 1000:.1f} s off, by {one.source}")


def _unknowable(pi: Pi, boot: int) -> bool:
    """Whether a clock claimed to be set, lied, and nobody could say so before its boot ended."""
    return boot in pi.lied and boot not in pi.contact


def _judge_alerts(hub: DatingHub, full_ms: int | None, wrong: Callable[[str], None]) -> None:
    raised = [(at_ms, effect) for at_ms, effect in hub.effects if isinstance(effect, Raised)]
    full = [at_ms for at_ms, effect in raised if effect.fault_code is FaultCode.BIN_FULL]
    if len(full) != (full_ms is not None):
        wrong(f"the bin was {'full' if full_ms else 'never full'} and {len(full)} alerts were raised")
    if full and full_ms is not None and full[0] < full_ms:
        wrong("the bin's alert came before it was full")
    # A silence that the node's own explains is noted and calls nobody.
    others = {effect.fault_code.value for _, effect in raised if effect.parent_node is None} - {
        FaultCode.BIN_FULL.value
    }
    if others:
        wrong(f"false alerts: {sorted(others)}")
    if any(isinstance(effect, Cleared) and effect.fault_code is FaultCode.BIN_FULL for _, effect in hub.effects):
        wrong("an alert was cleared that holds")


def _name(one: Dated) -> str:
    if isinstance(one.record, Reading):
        return str(int(one.record.values["distance_mm"]))
    assert isinstance(one.record, Event)
    return one.record.ref


@contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="linli-clock-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _composing(build: Build) -> Generator[None]:
    """With a mutant that mixes boots: every row of a message passes for one of its first row's boot."""
    compose = courier.compose
    if build.mixes_boots:
        courier.compose = lambda rows, **named: compose([_as(rows[0], row) for row in rows], **named)
    try:
        yield
    finally:
        courier.compose = compose


def _as(first: courier.Row, row: courier.Row) -> courier.Row:
    return courier.Row(row.first, row.last, first.boot, first.synced, row.body, first.anchor, row.is_gap)
