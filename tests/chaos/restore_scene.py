"""What the restore drill is held on: broker, hub, site; the outside client's edge, the real agent, a node by hand."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hub.storage.sql.meta import GENERATION_MARK
from hub.upkeep.backup.sealing import make_key
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.edge_process import WITHOUT_END, EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub, clean_environment, console_script
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.integration.edge.agent_process import AgentProcess

RATE: Final = 120.0
"""Readings a second of the outside client's edge."""
AT_ONCE: Final = 6
READINGS_A_PRESS: Final = 60
Json = dict[str, Any]


def start_edge(scene: "Scene", number: int) -> EdgeProcess:
    """Start the outside client's edge of a node; it makes readings and presses until it is enough."""
    edge = EdgeProcess(
        scene.folder / f"edge-{number}.db",
        port=scene.broker.port,
        site=scene.site,
        node=f"pi-{number}",
        device=f"bin-{number}-us",
        band=f"band-{number}",
        rate=RATE,
        readings=WITHOUT_END,
        presses=WITHOUT_END // READINGS_A_PRESS,
        at_once=AT_ONCE,
    )
    edge.start()
    return edge


@dataclass(slots=True)
class Hand:
    """A node by hand: what it has sent is kept, and sent again from wherever the hub stands."""

    node: Node
    sent: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])

    def send(self, lane: str, *records: Json) -> Json:
        self.sent.setdefault(lane, []).extend(records)
        return self.node.deliver(lane, *records)

    def again(self, lane: str) -> Json:
        """Rewind to what the hub says, as rule 4 of wire.md §3 wants; return the last acknowledgement."""
        records, high_water = self.sent[lane], self.node.hello(lane)["hw"]
        mark = self.node.mark(lane)
        self.node.send(lane, high_water + 1, records[high_water:])
        return self.node.wait_ack(lane, len(records), since=mark)


@dataclass(slots=True)
class Scene:
    """Broker, hub and one site; the hub is killed and comes back from a file."""

    folder: Path
    broker: MosquittoServer
    hub: Hub
    rest: Rest
    site: Neighbourhood

    @property
    def key(self) -> Path:
        return self.folder / "key"

    def command(self, *arguments: str) -> tuple[Json, float, int]:
        """Run `linli-hub … --json`; return what it says, the seconds it took, and its peak memory in MB."""
        began_s = time.monotonic()
        child = subprocess.Popen(
            [console_script("linli-hub"), *arguments, "--key", str(self.key), "--json"],
            env=clean_environment(self.hub.settings()), stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        with child.stdout as out:
            said = out.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"{arguments}: {child.returncode}"
        return json.loads(said), time.monotonic() - began_s, usage.ru_maxrss >> 10

    def lose_everything_and_restore(self, file: Path, *, spoil: Callable[[], None] | None = None) -> Json:
        """Kill the hub, remove its data, restore, start; return the times and where the restored lanes stand.

        `spoil` is done before the start, for a control.
        """
        self.hub.kill()
        shutil.rmtree(self.hub.data_dir)
        began_s = time.monotonic()
        said, took_s, _ = self.command("restore", str(file))
        lanes = self.lanes()
        if spoil is not None:
            spoil()
        self.hub.start()
        ready_s = time.monotonic() - began_s
        self.rest.login(*ADMIN)
        return {"restore_s": round(took_s, 2), "ready_s": round(ready_s, 2), "hub_gen": said["hub_gen"], "lanes": lanes}

    def lanes(self) -> dict[tuple[str, str], int]:
        """(node, lane) → high water, straight from the state."""
        with closing(sqlite3.connect(self.hub.data_dir / "state.db")) as connection:
            rows = connection.execute("SELECT node, lane, max(high_water) FROM lanes GROUP BY node, lane").fetchall()
        return {(node, lane): high_water for node, lane, high_water in rows}

    def keep_generation(self, hub_gen: str) -> None:
        """Write another generation into the state, as a restore that forgets to begin one would leave it."""
        with closing(sqlite3.connect(self.hub.data_dir / "state.db")) as connection, connection:
            changed = connection.execute("UPDATE meta SET value = ? WHERE key = ?", (hub_gen, GENERATION_MARK))
            assert changed.rowcount == 1

    def readings(self, node: str) -> tuple[int, int]:
        """How many readings of a node are stored, and how many different ones, by the number in `distance_mm`."""
        with closing(sqlite3.connect(self.hub.data_dir / "telemetry.db")) as connection:
            fields = connection.execute("SELECT id, fields FROM series WHERE node = ?", (node,)).fetchall()
            numbers: list[float] = []
            for series_id, names in fields:
                column = json.loads(names).index("distance_mm")
                rows = connection.execute(f"SELECT v{column} FROM readings WHERE series_id = ?", (series_id,))  # noqa: S608 a number
                numbers += [row[0] for row in rows]
        return len(numbers), len(set(numbers))


def open_scene(folder: Path, stack: ExitStack) -> Scene:
    broker = stack.enter_context(MosquittoServer.start(folder / "broker"))
    hub = Hub(data_dir=folder / "data", mqtt_url=broker.admin_url).start()
    stack.callback(hub.kill)
    rest = Rest(hub.url).login(*ADMIN)
    stack.callback(rest.close)
    make_key(folder / "key")
    scene = Scene(folder, broker, hub, rest, Neighbourhood(rest, "drill").build())
    stack.callback(scene.site.close)
    for skill in ("care", "waste"):
        scene.site.crew(skill)
    for number in (1, 2, 3, 4):
        scene.site.node(f"pi-{number}")
        scene.site.bin(f"bin-{number}", node=f"pi-{number}")
        scene.site.band(f"band-{number}", node=f"pi-{number}")
    for number in (31, 32):
        scene.site.band(f"band-{number}", node="pi-3")
    (folder / "backups").mkdir()
    return scene


def an_agent(scene: Scene, node: str, *, module: Sequence[str] = ("edge",)) -> AgentProcess:
    """The real agent: a bin that fills and empties ten times a second, and a wearer who presses now and then."""
    folder = scene.folder / node
    folder.mkdir()
    number = node.rpartition("-")[2]
    (folder / "password").write_text(scene.site.credentials(node)["password"])
    (folder / "bin.csv").write_text("after_s,fill_percent\n" + "".join(f"{n / 5},{n % 50}\n" for n in range(3000)))
    (folder / "band.csv").write_text(
        "after_s,event,ref\n" + "".join(f"{1 + 4 * n},sos_pressed,agent:{n}\n" for n in range(100))
    )
    broker = json.dumps(scene.broker.url)
    (folder / "edge.toml").write_text(
        f'site = "{scene.site.slug}"\nnode = "{node}"\ndata_dir = "data"\n'
        f'broker = {{url = {broker}, password_file = "password"}}\n\n'
        f'[[devices]]\nslug = "bin-{number}-us"\ndriver = "fake"\nkind = "fill_level"\ninterval_s = 0.2\n'
        'options = {script = "bin.csv"}\n\n'
        f'[[devices]]\nslug = "band-{number}"\ndriver = "fake"\noptions = {{script = "band.csv"}}\n'
    )
    return AgentProcess(folder, module=module)
