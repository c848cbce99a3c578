"""Real agents whose system clocks are wrong (libfaketime), one real hub at the true time: what people are shown."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from edge.outbox.database import FILE_NAME, LANE_NUMBERS
from edge.outbox.look import look
from edge.outbox.packing import unpack
from protocols.instant import parse_instant_ms
from protocols.lanes import Lane
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.hub_process import ADMIN, Hub, free_port
from tests.acceptance.outside.neighbourhood import WHOLE, Neighbourhood
from tests.integration.edge.agent_process import AgentProcess, wait_until

PACKAGE: Final = "libfaketime"
"""Debian's package of the library."""
DAY_S: Final = 86_400
AIM_MS: Final = 2_000
EVERY_S: Final = 0.5
PRESSES_S: Final = (1.0, 6.0)
FULL_S: Final = 4.0
"""From here on the bin is full, in each boot."""
NUMBERS_A_BOOT: Final = 1_000


def library() -> Path | None:
    """The library that changes a process's wall clock; None where the package is not installed."""
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def ahead_of(year: int, month: int = 1) -> float:
    """Seconds from the true time to the start of a month."""
    return datetime(year, month, 1, tzinfo=UTC).timestamp() - time.time()


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a machine's clock says: ahead by so much, and from `then_s` on by another; `rate` is how fast it runs."""

    ahead_s: float = 0.0
    claims: bool = False
    """Whether its system says that the clock was set."""
    then_s: float | None = None
    then_ahead_s: float = 0.0
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """One machine: its clock in each boot. The first of two boots hears no hub."""

    boots: Sequence[Wrong]
    mutant: str | None = None


def cases() -> dict[str, Case]:
    """The whole matrix."""
    return {
        "1970": Case([Wrong(ahead_of(1970))]),
        "year 2100, called set": Case([Wrong(ahead_of(2100), claims=True)]),
        "a day ahead, called set": Case([Wrong(DAY_S, claims=True)]),
        "a day behind, called set": Case([Wrong(-DAY_S, claims=True)]),
        "an hour back in mid-run": Case([Wrong(claims=True, then_s=5.0, then_ahead_s=-3_600)]),
        "a day forward in mid-run": Case([Wrong(claims=True, then_s=5.0, then_ahead_s=DAY_S)]),
        "no clock of its own": Case([Wrong(ahead_of(2025, 6))]),
        "half as fast again": Case([Wrong(claims=True, rate=1.5)]),
        "a reboot into another clock": Case([Wrong(ahead_of(1970)), Wrong(DAY_S, claims=True)]),
    }


def few_cases() -> dict[str, Case]:
    """What is cheap enough for every day."""
    whole = cases()
    return {name: whole[name] for name in ("1970", "a day behind, called set", "an hour back in mid-run")}


@dataclass(frozen=True, slots=True)
class Made:
    """A record: when it was made, in ms by the hub's clock, in which boot and lane."""

    at_ms: float
    boot: str
    lane: Lane
    must_be_shown: bool
    """It was acknowledged; the last few may be shown or not."""


class WrongAgent(AgentProcess):
    """An agent on a machine with a clock of its own, with a bin that gets full and a wearer who calls."""

    def __init__(self, folder: Path, number: int, case: Case, *, broker: MosquittoServer, site: Neighbourhood) -> None:
        self.node = f"pi-{number}"
        site.node(self.node)
        self.facility, device = site.bin(f"bin-{number}", node=self.node, interval_s=5)
        self.wearer, band = site.band(f"band-{number}", node=self.node)
        self.case = case
        self.began_s = 0.0
        self.booted_s: dict[str, float] = {}
        """Name of a boot → this machine's uptime when it began."""
        self._ended: dict[str, int] = {}
        self._boot = -1
        self._password = site.credentials(self.node)["password"]
        self._site, self._device, self._band, self._broker = site.slug, device, band, broker
        self._offset = folder / "offset"
        folder.mkdir()
        super().__init__(folder, module=("tests.chaos.clocked_edge", str(folder / "machine.json")))

    def boot(self) -> None:
        """Begin the next boot."""
        self._boot += 1
        last = self._boot == len(self.case.boots) - 1
        wrong = self.case.boots[self._boot]
        self.set_clock(wrong.ahead_s, rate=wrong.rate)
        self.began_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        machine = {"claims": wrong.claims, "boot": f"boot {self._boot}", "booted_s": self.began_s - 20}
        (self.folder / "machine.json").write_text(json.dumps({**machine, "mutant": self.case.mutant}))
        self._write(self._broker.port if last else free_port())
        before = set(self._boots())
        self.start()
        wait_until(lambda: bool(set(self._boots()) - before), "the boot is in its outbox")
        (name,) = set(self._boots()) - before
        self.booted_s[name] = self.began_s - 20

    def set_clock(self, ahead_s: float, *, rate: float = 1.0) -> None:
        """What its wall clock says from now on."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{ahead_s:+.0f}" + (f" x{rate:g}" if rate != 1.0 else ""))
        new.replace(self._offset)

    def start(self) -> None:
        found = library()
        assert found is not None
        faked = {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        command = [sys.executable, "-m", *self._module, "run", "--config", str(self.config), "--log-format", "plain"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **faked})

    def live(self) -> None:
        """Change the clock where its time has come, and reboot; call it often."""
        wrong = self.case.boots[self._boot]
        since_s = time.clock_gettime(time.CLOCK_BOOTTIME) - self.began_s
        if wrong.then_s is not None and since_s >= wrong.then_s:
            self.set_clock(wrong.then_ahead_s)
        if self._boot < len(self.case.boots) - 1 and self.made(Lane.SOS) >= 1 and since_s >= FULL_S:
            self.kill()
            self.boot()

    def made(self, lane: Lane) -> int:
        """How many records of a lane it has made."""
        return sum(one["next"] - 1 for one in self._lanes() if one["lane"] == lane)

    def settled(self) -> bool:
        """Whether the hub has acknowledged all that there was at the end of the story."""
        if not self._ended:
            if self.ended():
                self._ended = {one["lane"]: one["next"] - 1 for one in self._lanes()}
            return False
        return all(one["high_water"] >= self._ended[one["lane"]] for one in self._lanes())

    def ended(self) -> bool:
        """Whether its story is told: the last boot's presses are made, and some readings of the full bin after them."""
        wanted = sum(len(PRESSES_S) if boot == len(self.case.boots) - 1 else 1 for boot in range(len(self.case.boots)))
        since_s = time.clock_gettime(time.CLOCK_BOOTTIME) - self.began_s
        last = self._boot == len(self.case.boots) - 1
        return last and self.made(Lane.SOS) >= wanted and since_s > PRESSES_S[-1] + 1.5

    def truth(self) -> "dict[str, Made]":
        """What it made, by the ref of a call or the number of a reading."""
        hub_zero_ms = (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) * 1_000
        lanes = {number: lane for lane, number in LANE_NUMBERS.items()}
        found: dict[str, Made] = {}
        for lane, seq, boot, body in self._ask(
            "SELECT lane, seq, boots.boot, body FROM records JOIN boots ON boots.id = records.boot"
            " WHERE through IS NULL"
        ):
            record = msgspec.json.decode(unpack(body))
            name = record["ref"] if "event" in record else f"{record['values']['distance_mm']:g}"
            at_ms = hub_zero_ms + self.booted_s[boot] * 1_000 + record["uptime_ms"]
            found[name] = Made(at_ms, boot, lanes[lane], must_be_shown=seq <= self._ended[lanes[lane]])
        return found

    def _lanes(self) -> list[dict[str, Any]]:
        return look(self.folder / "data")["lanes"]

    def _boots(self) -> list[str]:
        return [boot for (boot,) in self._ask("SELECT boot FROM boots")]

    def _ask(self, question: str) -> list[Any]:
        path = self.folder / "data" / FILE_NAME
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        except sqlite3.OperationalError:  # not yet made
            return []
        try:
            return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def _write(self, port: int) -> None:
        first = self._boot * NUMBERS_A_BOOT + 1
        levels = [
            f"{EVERY_S * number:g},{92 if EVERY_S * number >= FULL_S else 10},{first + number}" for number in range(120)
        ]
        presses = [f"{at_s:g},sos_pressed,{self._band}:{self._boot}-{at_s:g}" for at_s in PRESSES_S]
        (self.folder / "levels.csv").write_text("\n".join(["after_s,fill_percent,distance_mm", *levels, ""]))
        (self.folder / "presses.csv").write_text("\n".join(["after_s,event,ref", *presses, ""]))
        (self.folder / "password").write_text(self._password)
        self.config.write_text(
            f'site = "{self._site}"\nnode = "{self.node}"\ndata_dir = "data"\n'
            f'broker = {{url = "mqtt://127.0.0.1:{port}", password_file = "password"}}\n'
            f'[[devices]]\nslug = "{self._device}"\ndriver = "fake"\nkind = "fill_level"\ninterval_s = {EVERY_S}\n'
            'options = {script = "levels.csv"}\n'
            f'[[devices]]\nslug = "{self._band}"\ndriver = "fake"\noptions = {{script = "presses.csv"}}\n'
        )


@dataclass(slots=True)
class Shown:
    """What people were shown of all machines."""

    machines: int = 0
    readings: int = 0
    calls: int = 0
    alerts: int = 0
    worst_error_ms: float = 0.0
    bounded: int = 0
    sources: dict[str, int] = field(default_factory=dict[str, int])
    worst_by_case_ms: dict[str, float] = field(default_factory=dict[str, float])
    wrong: list[str] = field(default_factory=list[str])


def play(chosen: Mapping[str, Case]) -> Shown:
    """Let every machine live its story beside the others, then compare what the hub shows with what was."""
    shown = Shown(machines=len(chosen))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="linli-clocks-")))
        broker = stack.enter_context(MosquittoServer.start(folder / "broker"))
        hub = Hub(folder / "hub", broker.admin_url)
        stack.callback(hub.kill)
        hub.start()
        admin = Rest(hub.url).login(*ADMIN)
        stack.callback(admin.close)
        site = Neighbourhood(admin, "clocks").build()
        agents: dict[str, WrongAgent] = {}
        for number, (name, case) in enumerate(chosen.items(), 1):
            agent = WrongAgent(folder / f"pi-{number}", number, case, broker=broker, site=site)
            agents[name] = agent
            stack.callback(agent.__exit__)
            agent.boot()
        _live(agents)
        for name, agent in agents.items():
            _compare(name, agent, site, shown)
        _compare_alerts(agents, site, shown)
        residual = metric(hub.url, "linli_conservation_residual")
        if residual:
            shown.wrong.append(f"the conservation residual is {residual:g}")
    return shown


def _live(agents: Mapping[str, WrongAgent], *, within_s: float = 90) -> None:
    until_s = time.monotonic() + within_s
    while not all(agent.settled() for agent in agents.values()):
        assert time.monotonic() < until_s, {name: agent.log.read_text()[-300:] for name, agent in agents.items()}
        for agent in agents.values():
            agent.live()
        time.sleep(0.2)
    for agent in agents.values():
        agent.stop()


def _compare(name: str, agent: WrongAgent, site: Neighbourhood, shown: Shown) -> None:
    truth = agent.truth()
    learnt = list(agent.booted_s)[-1]
    points = site.points(agent.facility, "distance_mm")
    events = site.admin.items(f"facilities/{agent.wearer}/events", **WHOLE)
    said = {f"{point['value']:g}": point["at"] for point in points} | {event["ref"]: event["at"] for event in events}
    for event in events:
        shown.sources[event["time_source"]] = shown.sources.get(event["time_source"], 0) + 1
    shown.readings, shown.calls = shown.readings + len(points), shown.calls + len(events)
    wanted = {one for one, made in truth.items() if made.must_be_shown}
    if missing := wanted - set(said):
        shown.wrong.append(f"{name}: {len(missing)} of {len(wanted)} are not shown: {sorted(missing)[:5]}")
    worst_ms = 0.0
    for one, at in said.items():
        at_ms = parse_instant_ms(at)
        if at_ms is None or one not in truth:
            shown.wrong.append(f"{name}: {one} at {at} was never made")
        elif truth[one].boot != learnt:
            shown.bounded += 1  # its boot never heard the time: it lies between its neighbours
        else:
            worst_ms = max(worst_ms, abs(at_ms - truth[one].at_ms))
    shown.worst_error_ms = max(shown.worst_error_ms, worst_ms)
    shown.worst_by_case_ms[name] = round(worst_ms)
    if worst_ms > AIM_MS:
        shown.wrong.append(f"{name}: shown up to {worst_ms / 1000:.1f} s off")
    for lane, ordered in _in_order_of_time(said, truth).items():
        if any(later_ms < earlier_ms - AIM_MS for earlier_ms, later_ms in pairwise(ordered)):
            shown.wrong.append(f"{name}: {lane} stands in another order than it happened")


def _in_order_of_time(said: Mapping[str, str], truth: Mapping[str, Made]) -> dict[Lane, list[float]]:
    """When the records of each lane happened, in the order in which people see them."""
    known = sorted((one for one in said if one in truth), key=lambda one: (said[one], truth[one].at_ms))
    return {lane: [truth[one].at_ms for one in known if truth[one].lane is lane] for lane in (Lane.TELEMETRY, Lane.SOS)}


def _compare_alerts(agents: Mapping[str, WrongAgent], site: Neighbourhood, shown: Shown) -> None:
    alerts = site.alerts()
    shown.alerts = len(alerts)
    wanted = {(agent.facility, "binFull") for agent in agents.values()}
    wanted |= {(agent.wearer, "sosPressed") for agent in agents.values()}
    found = [(alert["facility"], alert["fault_code"]) for alert in alerts if alert["state"] == "firing"]
    names = {place: name for name, agent in agents.items() for place in (agent.facility, agent.wearer)}
    for place, fault in sorted(wanted - set(found)):
        shown.wrong.append(f"{names[place]}: {fault} was missed")
    for alert in alerts:
        place = alert["facility"], alert["fault_code"]
        if place not in wanted or alert["state"] != "firing" or found.count(place) > 1:
            where = names.get(alert["facility"], alert["node"])
            shown.wrong.append(f"{where}: false alert {alert['fault_code']} ({alert['state']}, {alert['reason']})")
