"""People with wristbands at real agents, a hub and a broker; and how long their presses took until they were *sent*."""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from edge.outbox.database import connect_read_only
from edge.outbox.packing import unpack
from protocols.instant import parse_instant_ms
from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.benchmarks.community import BANDS_A_NODE, SITE, Place
from tests.benchmarks.stage import register
from tests.integration.edge.agent_process import AgentProcess, wait_until

PRESSED_EVERY_S: Final = 6.0
"""By each wearer, on average."""
CYCLE: Final = 20
"""Presses of a wearer until the script begins anew."""
SENT_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Press:
    """A press: when it happened and when the wearer was shown *sent*, as wall time of one machine."""

    ref: str
    at_ms: int
    sent_ms: int | None

    @property
    def took_ms(self) -> float:
        return float("inf") if self.sent_ms is None else float(self.sent_ms - self.at_ms)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long *sent* may take; None: it matters only that it comes."""

    p50_ms: float | None
    p99_ms: float | None
    longest_ms: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """What the presses of a phase came to."""

    phase: str
    presses: int
    unsent: int
    p50_ms: float
    p99_ms: float
    longest_ms: float

    @classmethod
    def of(cls, phase: str, presses: Sequence[Press]) -> "Latency":
        took_ms = sorted(press.took_ms for press in presses) or [float("nan")]
        unsent = sum(press.sent_ms is None for press in presses)
        p99_ms = took_ms[min(len(took_ms) - 1, int(len(took_ms) * 0.99))]
        return cls(phase, len(presses), unsent, took_ms[len(took_ms) // 2], p99_ms, took_ms[-1])

    def __str__(self) -> str:
        """p50 / p99 / longest, in milliseconds."""
        return f"{self.phase}: {self.p50_ms:.0f} / {self.p99_ms:.0f} / {self.longest_ms:.0f} ms of {self.presses}"

    def wrong(self, limits: Limits, *, at_least: int) -> list[str]:
        """What the limits do not allow, and too few presses to say."""
        wrong = [] if self.presses >= at_least else [f"{self.phase}: only {self.presses} presses"]
        if self.unsent:
            wrong.append(f"{self.phase}: {self.unsent} presses were never sent")
        for name, found, most in (
            ("p50", self.p50_ms, limits.p50_ms),
            ("p99", self.p99_ms, limits.p99_ms),
            ("longest", self.longest_ms, limits.longest_ms),
        ):
            if most is not None and not found <= most:
                wrong.append(f"{self.phase}: {name} {found:.0f} ms, allowed {most:.0f}")
        return wrong


class Wearers(AgentProcess):
    """A real agent with wristbands whose buttons are pressed at random moments by a seed."""

    def __init__(self, folder: Path, place: Place, *, port: int, seed: int, module: Sequence[str] = ("edge",)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data, self.node = folder / "data", place.node
        random = Random(f"{seed}:{place.number}")
        devices: list[str] = []
        for index in range(BANDS_A_NODE):
            band, cycle_s = place.band(index), CYCLE * PRESSED_EVERY_S
            moments = sorted(random.uniform(0.5, cycle_s - 0.5) for _ in range(CYCLE))
            rows = "".join(f"{at_s:.3f},sos_pressed\n" for at_s in moments)
            (folder / f"{band}.csv").write_text(f"after_s,event\n{rows}")
            script = f'{{script = "{band}.csv", repeat_after_s = {cycle_s}}}'
            devices.append(f'[[devices]]\nslug = "{band}"\ndriver = "fake"\noptions = {script}\n')
        (folder / "edge.toml").write_text(
            f'site = "{SITE}"\nnode = "{place.node}"\ndata_dir = "data"\nclock = "system"\n'
            f'broker = {{url = "mqtt://127.0.0.1:{port}"}}\n' + "".join(devices)
        )
        super().__init__(folder, module=module)

    def presses(self) -> list[Press]:
        """Every press that was stored."""
        try:
            with closing(connect_read_only(self.data / "outbox.db")) as connection:
                bodies = connection.execute("SELECT body FROM records WHERE through IS NULL").fetchall()
                sent = dict(connection.execute("SELECT ref, sent_at FROM calls").fetchall())
        except sqlite3.OperationalError:  # not yet made
            return []
        records: list[dict[str, Any]] = [json.loads(unpack(bytes(body))) for (body,) in bodies]
        found = {record["ref"]: record for record in records if record.get("event") == "sos_pressed"}
        return [
            Press(ref, parse_instant_ms(record["at"]) or 0, parse_instant_ms(sent.get(ref)))
            for ref, record in found.items()
        ]

    def has_sent(self) -> bool:
        """Whether a wearer was shown *sent*."""
        return any(press.sent_ms is not None for press in self.presses())


class Scene:
    """Broker, InfluxDB and hub, and agents that reach the broker at `port`; other nodes are registered beside them."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        broker: MosquittoServer,
        *,
        agents: int,
        others: int = 0,
        hub_command: tuple[str, ...] = (),
    ) -> None:
        self.broker, self.agents, self.others = broker, agents, others
        self.influx = stack.enter_context(InfluxServer.start(folder / "influx"))
        self.influx.create_database("scene")
        self.hub = Hub(
            data_dir=folder / "hub",
            mqtt_url=broker.url,
            broker_admin="none",
            influx={"url": self.influx.url, "token": ":", "org": "-", "bucket": "scene"},
            command=hub_command,
        )
        stack.callback(self.hub.kill)
        self.hub.start()
        self.rest = Rest(self.hub.url).login(*ADMIN)
        stack.callback(self.rest.close)
        register(self.rest, nodes=agents + others, bands=agents * BANDS_A_NODE)
        self._stack, self._folder = stack, folder
        self.wearers: list[Wearers] = []

    def start_agents(self, seed: int, *, port: int | None = None, module: Sequence[str] = ("edge",)) -> None:
        """Start an agent at each of the first nodes, on the broker's port or on that of a way to it."""
        for number in range(self.agents):
            folder = self._folder / f"agent-{number}"
            agent = Wearers(folder, Place(number), port=port or self.broker.port, seed=seed, module=module)
            self.wearers.append(self._stack.enter_context(agent))

    def await_first(self) -> None:
        """Wait until a press at every agent was sent."""
        for agent in self.wearers:
            wait_until(agent.has_sent, "a first press is sent", within_s=SENT_WITHIN_S)

    def presses(self) -> list[Press]:
        return [press for agent in self.wearers for press in agent.presses()]

    def await_sent(self, *, within_s: float = SENT_WITHIN_S) -> list[Press]:
        """Have nothing more pressed, wait until all is sent or the time is over, and return all presses."""
        until_s = time.monotonic() + within_s
        for agent in self.wearers:
            agent.stop()
            if any(press.sent_ms is None for press in agent.presses()):
                agent.config.write_text(agent.config.read_text().partition("[[devices]]")[0])
                agent.start()
        while any(press.sent_ms is None for press in self.presses()) and time.monotonic() < until_s:
            time.sleep(0.2)
        return self.presses()

    def unstored(self) -> list[str]:
        """What the hub does not have of the presses, nodes by name."""
        wrong: list[str] = []
        for agent in self.wearers:
            made = len(agent.presses())
            lanes = self.rest.items(f"nodes/{SITE}.{agent.node}/lanes")
            stored = sum(lane["stored"] for lane in lanes if lane["lane"] == "sos")
            if stored != made:
                wrong.append(f"{agent.node}: {made} presses were stored, the hub has {stored}")
        return wrong


def during(presses: Sequence[Press], begun_ms: float, ended_ms: float) -> list[Press]:
    """The presses of a time."""
    return [press for press in presses if begun_ms <= press.at_ms < ended_ms]


def wall_ms() -> float:
    """The wall clock of this machine, which is that of the agents too."""
    return time.time() * 1000


def phase(name: str, act: Callable[[], None]) -> tuple[str, float, float]:
    """Do it; return the name and from when to when it lasted."""
    begun_ms = wall_ms()
    act()
    return name, begun_ms, wall_ms()
