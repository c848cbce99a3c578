"""What the strikes fall on: broker, hub and InfluxDB, one real agent and client edges, and who is called for help."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from edge.agent.recording import reading_draft
from edge.clock import Moment
from edge.drivers.driver import Measurement
from edge.errors import OutboxError
from edge.ids import boot_of, machine_of, new_epoch
from edge.outbox import Draft, open_outbox
from edge.outbox.look import look, standing
from protocols.envelope import ClockState
from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside import client_edge
from tests.acceptance.outside.client_dynsec import Dynsec
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.edge_process import EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.influx_reader import InfluxReader
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.webhook_receiver import Call, WebhookReceiver
from tests.chaos.strikes import AGENT, BROKER, HUB, INFLUXDB, Blow, Strike
from tests.integration.edge.agent_process import AgentProcess, wait_until

RATE: Final = 120
AT_ONCE: Final = 30
READINGS_A_PRESS: Final = 480
MOST_READINGS: Final = 100 * READINGS_A_PRESS
"""What an edge makes in seven minutes; on a slow machine a play takes longer and makes no more."""
REPEATS: Final = 2
"""A wristband sends the frame of a press so often: two records, one call for help."""
AGENT_PRESSES: Final = "after_s,event\n0.5,sos_pressed\n"
AGENT_PRESS_S: Final = 6
DATABASE: Final = "chaos"
HUB_USER: Final = "linli-hub"
"""The hub's connection for everything but SOS."""
HEARD_WITHIN_S: Final = 60
WORKS_WITHIN_S: Final = 60
READY_S: Final = 180
"""A hub starts in 3 s, on a machine that has time for it."""


class Edge(EdgeProcess):
    """The outside client's edge of a node of its own, with its bin and its wearer."""

    def __init__(self, folder: Path, port: int, site: Neighbourhood, number: int, *, readings: int) -> None:
        node = f"pi-{number}"
        site.node(node)
        self.facility, device = site.bin(f"bin-{number}", node=node, interval_s=60)
        self.wearer, self.band = site.band(f"band-{number}", node=node)
        super().__init__(
            folder / f"edge-{number}.db",
            port=port,
            site=site,
            node=node,
            device=device,
            band=self.band,
            rate=RATE,
            readings=readings,
            presses=readings // READINGS_A_PRESS,
            at_once=AT_ONCE,
            repeats=REPEATS,
        )


class Agent(AgentProcess):
    """The real agent with a bin's sensor, and a wristband where `presses`; all cards it has had are remembered."""

    def __init__(
        self, folder: Path, broker: MosquittoServer, site: Neighbourhood, *, presses: bool, module: tuple[str, ...]
    ) -> None:
        site.node(AGENT)
        self.facility, device = site.bin("bin-agent", node=AGENT, interval_s=60)
        self.wearer, self.band = site.band("band-agent", node=AGENT)
        self.device = device
        self.data = folder / "data"
        self.lost: dict[tuple[str, str], int] = {}
        folder.mkdir()
        (folder / "password").write_text(site.credentials(AGENT)["password"])
        (folder / "levels.csv").write_text("after_s,fill_percent\n0,10\n1,30\n2,20\n3,40\n")
        (folder / "presses.csv").write_text(AGENT_PRESSES)
        band = (
            f'[[devices]]\nslug = "{self.band}"\ndriver = "fake"\n'
            f'options = {{script = "presses.csv", repeat_after_s = {AGENT_PRESS_S}}}\n'
        )
        (folder / "edge.toml").write_text(
            f'site = "{site.slug}"\nnode = "{AGENT}"\ndata_dir = "data"\n'
            f'broker = {{url = "{broker.url}", password_file = "password"}}\n'
            f'[[devices]]\nslug = "{device}"\ndriver = "fake"\nkind = "fill_level"\ninterval_s = 0.25\n'
            'options = {script = "levels.csv", repeat_after_s = 4}\n' + (band if presses else "")
        )
        super().__init__(folder, module=module)

    def store(self, count: int) -> None:
        """While it does not run: put numbered readings into its outbox, as of the last hours."""
        now = Moment(datetime.now(UTC), time.monotonic_ns() // 1_000_000, ClockState.SYNCED)
        opened = open_outbox(self.data, boot=boot_of(self.data), machine=machine_of(), new_epoch=new_epoch)
        drafts: list[Draft] = []
        for number in range(1, count + 1):
            moment = Moment(now.at - timedelta(milliseconds=100 * (count - number)), now.uptime_ms, now.state)
            measured = Measurement(client_edge.numbered(number), 95)
            draft = reading_draft(self.device, "fill_level", measured, uptime_ms=now.uptime_ms, moment=moment)
            assert isinstance(draft, Draft), draft
            drafts.append(draft)
        opened.outbox.append(drafts, at=now.at, uptime_ms=now.uptime_ms, synced=True)
        opened.close(in_order=True)

    def made(self) -> dict[tuple[str, str], int]:
        """How many seqs of each (epoch, lane) it has given out, on all its cards."""
        made = dict(self.lost)
        for lane in self.lanes():
            key = lane["epoch"], lane["lane"]
            made[key] = made.get(key, 0) + lane["next"] - 1
        return made

    def lanes(self) -> list[dict[str, Any]]:
        """Where its lanes stand."""
        return look(self.data)["lanes"]

    def acknowledged(self, lane: str) -> int:
        """The last seq of a lane that was acknowledged, 0 before there is an outbox."""
        try:
            return next(row["high_water"] for row in self.lanes() if row["lane"] == lane)
        except OutboxError:
            return 0

    def lose_card(self, *, within_s: float) -> None:
        """Have everything acknowledged, then start with an empty disk; AssertionError where it is not in time."""
        self.kill()
        self.drain(within_s=within_s)
        self.lost = self.made()
        shutil.rmtree(self.data)
        self.start()
        wait_until(lambda: standing(self.data) is not None, "the agent has made an outbox")


class Stand:
    """Everything of one play, with what brings it down and back."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        *,
        edges: int,
        readings: int = MOST_READINGS,
        presses: bool = True,
        backlog: int = 0,
        refused: int = 0,
        mutant: str | None = None,
    ) -> None:
        """Start all but the agent; `backlog` readings wait on its card, and `refused` calls for help are not taken."""
        self.broker = stack.enter_context(MosquittoServer.start(folder / BROKER))
        self.influx = stack.enter_context(InfluxServer.start(folder / INFLUXDB))
        self.influx.create_database(DATABASE)
        self.receiver = stack.enter_context(WebhookReceiver())
        self.receiver.answers = [503] * refused
        broken = () if mutant is None else ("tests.chaos.mutants", mutant)
        self.hub = Hub(
            data_dir=folder / "data",
            mqtt_url=self.broker.admin_url,
            influx={"url": self.influx.url, "token": ":", "org": "-", "bucket": DATABASE},
            command=(sys.executable, "-m", *broken, "hub", "serve") if broken else (),
        )
        stack.callback(self.hub.kill)
        self.hub.start(ready_s=READY_S)
        self.admin = Rest(self.hub.url).login(*ADMIN)
        stack.callback(self.admin.close)
        self.site = Neighbourhood(self.admin, "chaos").build()
        events = ["alert.fired", "alert.pressed_again"]
        self.admin.create("webhooks", {"site": self.site.slug, "url": self.receiver.url, "events": events})
        self.agent = Agent(folder / AGENT, self.broker, self.site, presses=presses, module=(*broken, "edge"))
        self.backlog = backlog
        if backlog:
            self.agent.store(backlog)
        self.edges = [
            Edge(folder, self.broker.port, self.site, number, readings=readings) for number in range(1, edges + 1)
        ]
        for edge in self.edges:
            stack.callback(edge.kill)
            edge.start()
        self._kept = folder / "kept"
        self._stack = stack

    def start_agent(self) -> None:
        """Start the agent; it is ended with the stand."""
        self._stack.enter_context(self.agent)

    def await_work(self) -> None:
        """Wait until a reading of every node is acknowledged; AssertionError where that does not come."""
        until_s = time.monotonic() + WORKS_WITHIN_S
        while self.agent.acknowledged("telemetry") < 1 or any(edge.done("telemetry") < 1 for edge in self.edges):
            assert time.monotonic() < until_s, f"not everybody works within {WORKS_WITHIN_S} s"
            time.sleep(0.1)

    @property
    def points(self) -> InfluxReader:
        return InfluxReader(self.influx.url, DATABASE)

    def calls(self) -> list[Call]:
        """The calls for help that came, whatever they were answered."""
        return [call for call in self.receiver.calls if call.json["data"]["fault_code"] == "sosPressed"]

    def waiting_when_heard(self) -> int | None:
        """Start the agent; return how many readings wait on it when its first call is heard, None: it never is."""
        self.start_agent()
        until_s = time.monotonic() + HEARD_WITHIN_S
        while not any(call.json["data"]["facility"] == self.agent.wearer for call in self.calls()):
            if time.monotonic() > until_s:
                return None
            time.sleep(0.02)
        return sum(lane["pending"] for lane in self.agent.lanes() if lane["lane"] == "telemetry")

    def strike(self, strike: Strike, *, within_s: float) -> Callable[[], None] | None:
        """Do it; return what brings the target back, None where nothing has to."""
        match strike.blow:
            case Blow.KILL:
                self._target(strike.target).kill()
                return lambda: self._bring_back(strike.target)
            case Blow.FREEZE:
                pid = self._target(strike.target).pid
                os.kill(pid, signal.SIGSTOP)
                return lambda: os.kill(pid, signal.SIGCONT)
            case Blow.CUT:
                self._cut()
            case Blow.NEW_CARD:
                self.agent.lose_card(within_s=within_s)
            case Blow.KEEP_DISK:
                self.hub.kill()
                shutil.copytree(self.hub.data_dir, self._kept)
                self.hub.start(ready_s=READY_S)
            case Blow.OLD_DISK:
                self.hub.kill()
                shutil.rmtree(self.hub.data_dir)
                shutil.copytree(self._kept, self.hub.data_dir)
                self.hub.start(ready_s=READY_S)
        return None

    def _cut(self) -> None:
        broker = self.broker
        dynsec = Dynsec(host="127.0.0.1", port=broker.port, user=broker.admin_username, password=broker.admin_password)
        for command in ("disableClient", "enableClient"):
            dynsec.command({"command": command, "username": HUB_USER})
        dynsec.close()

    def _target(self, name: str) -> "Hub | MosquittoServer | InfluxServer | Agent | Edge":
        known = {HUB: self.hub, BROKER: self.broker, INFLUXDB: self.influx, AGENT: self.agent}
        return known.get(name) or next(edge for edge in self.edges if edge.db.stem == name)

    def _bring_back(self, name: str) -> None:
        target = self._target(name)
        if isinstance(target, Hub):
            target.launch()
        elif isinstance(target, AgentProcess | EdgeProcess):
            target.start()
        else:
            target.restart()
