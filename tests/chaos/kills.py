"""Kill -9 and SIGSTOP of broker, hub and edges by a seed, with a ledger of every seq afterwards (G1).

`python -m tests.chaos.kills [--seed N] [--kills N] [--edges N] [--history FILE] [--replay FILE] [--mutant NAME]`
prints the figures as JSON. The history is JSON lines: the schedule with its seed, then what was done when.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside import client_edge
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.edge_process import WITHOUT_END, EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.webhook_receiver import WebhookReceiver
from tests.chaos.mutants.faults import FAULTS
from tests.integration.edge.agent_process import AgentProcess

RATE: Final = 120
READINGS_A_PRESS: Final = 50
DRAINED_WITHIN_S: Final = 90
AGENT: Final = "agent"


@dataclass(frozen=True, slots=True)
class Strike:
    """After `after_s`, end (or freeze) the target; it comes back `away_s` later."""

    after_s: float
    target: str
    frozen: bool
    away_s: float


@dataclass(slots=True)
class Figures:
    """What was made and what became of it; `wrong` is empty where the promise held."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict[str, int])
    freezes: int = 0
    events: int = 0
    presses: int = 0
    repeated_notifications: int = 0
    residual: float = 0.0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list[str])


def schedule(seed: int, strikes: int, edges: int) -> list[Strike]:
    """Draw the strikes; one in eight is a freeze."""
    random = Random(seed)
    targets = ["broker", "hub", AGENT, *(f"edge-{number}" for number in range(1, edges + 1))]
    return [
        Strike(
            after_s=round(random.uniform(0.2, 1.4), 2),
            target=targets[index] if index < len(targets) else random.choice(targets),
            frozen=random.random() < 1 / 8,
            away_s=round(random.uniform(0.0, 0.8), 2),
        )
        for index in range(strikes)
    ]


class Edge(EdgeProcess):
    """The outside client's edge of a node of its own, with its bin and its wearer."""

    def __init__(self, folder: Path, port: int, site: Neighbourhood, number: int) -> None:
        node = f"pi-{number}"
        site.node(node)
        self.facility, device = site.bin(f"bin-{number}", node=node, interval_s=60)
        self.wearer, band = site.band(f"band-{number}", node=node)
        super().__init__(
            folder / f"edge-{number}.db",
            port=port,
            site=site,
            node=node,
            device=device,
            band=band,
            rate=RATE,
            readings=WITHOUT_END,
            presses=WITHOUT_END // READINGS_A_PRESS,
        )


class Stand:
    """Broker, hub, one real agent and client edges, with a webhook that hears the calls for help."""

    def __init__(self, stack: ExitStack, folder: Path, *, edges: int, mutant: str | None) -> None:
        self.broker = stack.enter_context(MosquittoServer.start(folder / "broker"))
        self.receiver = stack.enter_context(WebhookReceiver())
        broken = () if mutant is None else ("tests.chaos.mutants", mutant)
        serve = (sys.executable, "-m", *broken, "hub", "serve") if broken else ()
        self.hub = Hub(data_dir=folder / "data", mqtt_url=self.broker.admin_url, command=serve)
        stack.callback(self.hub.kill)
        self.hub.start()
        self.admin = Rest(self.hub.url).login(*ADMIN)
        stack.callback(self.admin.close)
        self.site = Neighbourhood(self.admin, "chaos").build()
        events = ["alert.fired", "alert.pressed_again"]
        self.admin.create("webhooks", {"site": self.site.slug, "url": self.receiver.url, "events": events})
        self.site.node(AGENT)
        self.site.bin("bin-agent", node=AGENT, interval_s=60)
        self.agent = AgentProcess(self._agent_folder(folder / AGENT), module=(*broken, "edge"))
        self.edges = [Edge(folder, self.broker.port, self.site, number) for number in range(1, edges + 1)]
        for edge in self.edges:
            stack.callback(edge.kill)
            edge.start()
        stack.enter_context(self.agent)

    def _agent_folder(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / "password").write_text(self.site.credentials(AGENT)["password"])
        (folder / "script.csv").write_text("after_s,fill_percent\n0,10\n1,30\n2,20\n3,40\n")
        (folder / "edge.toml").write_text(
            f'site = "{self.site.slug}"\nnode = "{AGENT}"\ndata_dir = "data"\n'
            f'broker = {{url = "{self.broker.url}", password_file = "password"}}\n'
            '[[devices]]\nslug = "bin-agent-us"\ndriver = "fake"\nkind = "fill_level"\ninterval_s = 1\n'
            'options = {script = "script.csv", repeat_after_s = 4}\n'
        )
        return folder

    def strike(self, strike: Strike) -> None:
        """Kill or freeze, and bring back."""
        edge = next((edge for edge in self.edges if edge.db.stem == strike.target), None)
        if strike.frozen:
            pids = {"hub": lambda: self.hub.pid, AGENT: lambda: self.agent.pid, "broker": lambda: self.broker.pid}
            pid = edge.pid if edge is not None else pids[strike.target]()
            os.kill(pid, signal.SIGSTOP)
            time.sleep(strike.away_s)
            os.kill(pid, signal.SIGCONT)
            return
        target = edge or {"hub": self.hub, AGENT: self.agent, "broker": self.broker}[strike.target]
        target.kill()
        time.sleep(strike.away_s)
        if target is self.broker:
            self.broker.restart()
        elif isinstance(target, Hub | AgentProcess | EdgeProcess):
            target.start()


def play(
    folder: Path, strikes: Sequence[Strike], *, seed: int, edges: int, history: Path, mutant: str | None = None
) -> Figures:
    """Carry the strikes out while everybody sends, let all drain, and compare the books."""
    figures, begun_s = Figures(seed), time.monotonic()
    with ExitStack() as stack:
        book = stack.enter_context(history.open("w"))
        said = {"seed": seed, "edges": edges, "mutant": mutant, "strikes": [asdict(strike) for strike in strikes]}
        book.write(json.dumps(said) + "\n")
        stand = Stand(stack, folder, edges=edges, mutant=mutant)
        for strike in strikes:
            time.sleep(strike.after_s)
            done = {"at_s": round(time.monotonic() - begun_s, 3), **asdict(strike)}
            stand.strike(strike)
            book.write(json.dumps({**done, "back_s": round(time.monotonic() - begun_s, 3)}) + "\n")
            book.flush()
            if strike.frozen:
                figures.freezes += 1
            else:
                figures.kills[strike.target] = figures.kills.get(strike.target, 0) + 1
        _settle(stand, figures)
        figures.seconds = round(time.monotonic() - begun_s, 1)
        book.write(json.dumps(asdict(figures)) + "\n")
    return figures


def _settle(stand: Stand, figures: Figures) -> None:
    stand.admin.login(*ADMIN)
    until_s = time.monotonic() + DRAINED_WITHIN_S
    for edge in stand.edges:
        edge.enough()
        try:
            edge.finish(max(1.0, until_s - time.monotonic()))
        except (AssertionError, subprocess.TimeoutExpired):
            figures.wrong.append(f"{edge.node} is not done")
        made = client_edge.Outbox(edge.db)
        given = {lane: made.next(lane) - 1 for lane in ("telemetry", "sos")}
        _compare(stand, figures, edge.node, {(made.epoch, lane): count for lane, count in given.items()})
        figures.presses += given["sos"]
        _compare_effects(stand, figures, edge, given)
    stand.agent.kill()
    try:
        outbox = stand.agent.drain()
    except AssertionError as error:
        figures.wrong.append(f"{AGENT}: {error}")
        outbox = stand.agent.outbox()
    lanes: list[dict[str, Any]] = outbox["lanes"]
    _compare(stand, figures, AGENT, {(lane["epoch"], lane["lane"]): lane["next"] - 1 for lane in lanes})
    time.sleep(1)
    ids = [call.id for call in stand.receiver.calls]
    figures.repeated_notifications = len(ids) - len(set(ids))
    if len(set(ids)) != figures.presses:
        figures.wrong.append(f"{len(set(ids))} notifications for {figures.presses} presses")
    figures.residual = metric(stand.hub.url, "linli_conservation_residual")
    if figures.residual != 0:
        figures.wrong.append(f"the conservation residual is {figures.residual:g}")


def _compare(stand: Stand, figures: Figures, node: str, given: dict[tuple[str, str], int]) -> None:
    """Every seq of every lane must be stored: no disk is full here, so no gap and no quarantine is excused."""
    rows = {(row["epoch"], row["lane"]): row for row in stand.site.lanes(node)}
    for key in rows.keys() | given.keys():
        made, row = given.get(key, 0), rows.get(key, {"high_water": 0, "stored": 0, "gaps": 0, "quarantined": 0})
        figures.events += made
        if (row["high_water"], row["stored"], row["gaps"], row["quarantined"]) != (made, made, 0, 0):
            figures.wrong.append(f"{node} {key}: {made} made, {row}")


def _compare_effects(stand: Stand, figures: Figures, edge: Edge, given: dict[str, int]) -> None:
    numbers = [point["value"] for point in stand.site.points(edge.facility, "distance_mm")]
    if sorted(numbers) != list(range(1, given["telemetry"] + 1)):
        figures.wrong.append(f"{edge.node}: {len(numbers)} points, {len(set(numbers))} distinct, {given['telemetry']}")
    alerts = [alert for alert in stand.site.alerts(fault_code="sosPressed") if alert["facility"] == edge.wearer]
    refs = sorted(ref for alert in alerts for ref in alert["refs"])
    wanted = sorted(f"band-{edge.node[3:]}:{number}" for number in range(1, given["sos"] + 1))
    if len(alerts) != bool(wanted) or refs != wanted:
        figures.wrong.append(f"{edge.node}: {len(alerts)} alerts with {len(refs)} of {len(wanted)} presses")


def run(seed: int, *, full: bool) -> dict[str, object]:
    """Return the figures of G1."""
    edges = 4 if full else 1
    with tempfile.TemporaryDirectory() as folder:
        strikes = schedule(seed, 230 if full else 5, edges)
        figures = play(Path(folder), strikes, seed=seed, edges=edges, history=Path(folder) / "history.jsonl")
    return asdict(figures)


def control(seed: int, mutant: str = "count_duplicates") -> dict[str, object]:
    """Return what a broken build comes to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = folder / "history.jsonl"
        figures = play(folder, schedule(seed, 8, 1), seed=seed, edges=1, history=history, mutant=mutant)
    return {**asdict(figures), "mutant": mutant, "caught": bool(figures.wrong)}


def main() -> int:
    """Play, print, and tell by the exit code whether the promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--edges", type=int, default=1)
    parser.add_argument("--history", type=Path, default=Path(".cache/chaos-history.jsonl"))
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--mutant", choices=sorted(FAULTS))
    given = parser.parse_args()
    seed, edges, mutant = given.seed, given.edges, given.mutant
    strikes = schedule(seed, given.kills, edges)
    if given.replay is not None:
        said = json.loads(given.replay.read_text().splitlines()[0])
        seed, edges, mutant = said["seed"], said["edges"], said["mutant"]
        strikes = [Strike(**strike) for strike in said["strikes"]]
    given.history.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = play(Path(folder), strikes, seed=seed, edges=edges, history=given.history, mutant=mutant)
    print(json.dumps(asdict(figures), indent=1))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
