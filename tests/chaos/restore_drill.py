"""The restore drill (G15): a hub is backed up while edges send, dies with its disk, and is restored from the backup.

Three nodes send all the while: the outside client's edge, the real agent, and a node by hand whose wearers press. What
was acknowledged after the backup is known to nobody but the edges; in the end it must be there again, each record once.
The control is a backup whose telemetry was copied before its state: it must lose, or the drill would see nothing.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import newest, upgrade
from hub.storage.sqlite_copy import copy_database
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.upkeep.backup.archive import describe, write_archive
from hub.upkeep.backup.manifest import Manifest, StateKind
from hub.upkeep.backup.sealing import make_key, read_key
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.edge_process import WITHOUT_END, EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub, clean_environment, console_script
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.integration.edge.agent_process import AgentProcess, wait_until

RATE: Final = 60.0
"""Readings a second of the outside client's edge; a press to every twentieth."""
FULL_ROWS: Final = 10_000_000
SERIES: Final = 1_000
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
        presses=WITHOUT_END // 20,
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

    def lose_everything_and_restore(self, file: Path) -> Json:
        """Kill the hub, remove its data, restore, start; return the times and where the restored lanes stand."""
        self.hub.kill()
        shutil.rmtree(self.hub.data_dir)
        began_s = time.monotonic()
        said, took_s, _ = self.command("restore", str(file))
        lanes = self.lanes()
        self.hub.start()
        ready_s = time.monotonic() - began_s
        self.rest.login(*ADMIN)
        return {"restore_s": round(took_s, 2), "ready_s": round(ready_s, 2), "hub_gen": said["hub_gen"], "lanes": lanes}

    def lanes(self) -> dict[tuple[str, str], int]:
        """(node, lane) → high water, straight from the state."""
        with closing(sqlite3.connect(self.hub.data_dir / "state.db")) as connection:
            rows = connection.execute("SELECT node, lane, max(high_water) FROM lanes GROUP BY node, lane").fetchall()
        return {(node, lane): high_water for node, lane, high_water in rows}

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


def run(seed: int, *, full: bool) -> dict[str, Any]:
    """Hold the drill; `full` adds the control and the time to recover at full size.

    AssertionError tells what was lost or doubled.
    """
    with TemporaryDirectory(prefix="linli-drill-") as name, ExitStack() as stack:
        scene = _open_scene(Path(name), stack)
        figures = {"seed": seed, **_drill(scene, Random(seed), stack)}
        if full:
            figures["control"] = _control(scene, Random(seed), stack)
            figures["recovery"] = recovery(scene, rows=FULL_ROWS)
    return figures


def _open_scene(folder: Path, stack: ExitStack) -> Scene:
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


def _drill(scene: Scene, random: Random, stack: ExitStack) -> Json:
    sender = start_edge(scene, 1)
    stack.callback(sender.kill)
    agent = _agent(scene, "pi-2")
    stack.callback(agent.__exit__)
    agent.start()
    hand = Hand(scene.site.client("pi-3").connect())
    first = hand.send("sos", hand.node.event("band-3", "sos_pressed", "before:1"))
    wait_until(
        lambda: sender.done("telemetry") >= random.randint(60, 120), "the first readings are acknowledged", within_s=60
    )

    taken, backup_s, backup_mb = scene.command("backup", str(scene.folder / "backups"))

    hand.send("sos", hand.node.event("band-31", "sos_pressed", "after:1"))
    hand.send("sos", hand.node.event("band-32", "sos_pressed", "after:2", ago_s=3600))
    hand.send("telemetry", *_full_bin(hand.node))
    scene.site.alert("binFull", "firing")
    enough = sender.done("telemetry") + random.randint(100, 200)
    calls = sender.done("sos") + 2
    wait_until(
        lambda: sender.done("telemetry") >= enough and sender.done("sos") >= calls, "more is acknowledged", within_s=60
    )
    known = scene.lanes()
    restored = scene.lose_everything_and_restore(Path(taken["file"]))
    lanes: dict[tuple[str, str], int] = restored.pop("lanes")
    forgotten = {key: high_water - lanes.get(key, 0) for key, high_water in known.items()}
    for node, lane in (("pi-1", "telemetry"), ("pi-1", "sos"), ("pi-2", "telemetry"), ("pi-3", "sos")):
        assert forgotten[node, lane] > 0, f"the backup knew all of {node} {lane}: the drill tries nothing"

    for lane in hand.sent:
        last = hand.again(lane)
        assert last["hub_gen"] == restored["hub_gen"] != first["hub_gen"]
    wait_until(lambda: sender.done("telemetry") > enough, "the edge has caught up", within_s=60)
    sender.enough()
    sender.finish(60)
    assert agent.stop() == 0
    outbox = agent.drain()
    figures = _judge(scene, sender, hand, outbox)
    return {
        **figures,
        "acknowledged_and_not_in_the_backup": sum(forgotten.values()),
        "backup_s": round(backup_s, 2), "backup_peak_mb": backup_mb, **restored,
    }  # fmt: skip


def _full_bin(node: Node) -> list[Json]:
    return [node.fill("bin-3-us", 90.0 + n, ago_s=2 - n) for n in range(3)]


def _judge(scene: Scene, sender: EdgeProcess, hand: Hand, outbox: Json) -> Json:
    """Hold everything against what was produced; return the counts."""
    site, lanes = scene.site, scene.lanes()
    produced = {("pi-1", lane): sender.made(lane) for lane in ("sos", "telemetry")}
    produced |= {("pi-2", lane["lane"]): lane["next"] - 1 for lane in outbox["lanes"] if lane["next"] > 1}
    produced |= {("pi-3", lane): len(records) for lane, records in hand.sent.items()}
    assert {key: lanes[key] for key in produced} == produced
    for node in ("pi-1", "pi-2", "pi-3"):
        for row in site.lanes(node):
            assert (row["quarantined"], row["gaps"], row["stored"]) == (0, 0, row["high_water"]), (node, row)
    stored, different = scene.readings("pi-1")
    made = sender.made("telemetry")
    assert (stored, different) == (made, made), f"{made} made, {stored} stored, {different} of them different"
    calls = _calls(site)
    presses = [f"band-1:{n}" for n in range(1, sender.made("sos") + 1)]
    agents = [call["ref"] for call in outbox["sos"]]
    assert agents, "the agent's wearer has pressed"
    assert sorted(calls) == sorted([*presses, *agents, "before:1", "after:1", "after:2"]), "each press is there once"
    assert calls["after:2"]["late"], "an old press is told with its age"
    assert not calls["after:1"]["late"]
    _judge_orders(site)
    assert metric(scene.hub.url, "linli_conservation_residual") == 0
    return {
        "records": sum(produced.values()), "readings_of_pi_1": made, "presses": len(calls), "lost": made - different,
        "doubled": stored - different,
    }  # fmt: skip


def _calls(site: Neighbourhood) -> dict[str, Json]:
    """Ref → its alert; a ref in two alerts is an error."""
    found: dict[str, Json] = {}
    for alert in site.alerts(fault_code="sosPressed"):
        for ref in alert["refs"]:
            assert ref not in found, f"{ref} is in two alerts"
            found[ref] = alert
    return found


def _judge_orders(site: Neighbourhood) -> None:
    """Every alert that is not closed has its one order, which is not over and names it; and no order names another."""
    alerts = {alert["id"]: alert for alert in site.alerts() if alert["state"] != "closed"}
    orders = {order["id"]: order for order in site.orders() if order["state"] not in ("closed", "cancelled")}
    wanted = {alert["facility"] for alert in alerts.values() if alert["fault_code"] in ("sosPressed", "binFull")}
    assert {site.id(f"wearer-band-{n}") for n in (1, 2, 3, 31, 32)} | {site.id("bin-3")} <= wanted
    for alert in alerts.values():
        assert alert["id"] in orders[alert["work_order"]]["alerts"], alert
    for order in orders.values():
        assert set(order["alerts"]) <= set(alerts), order
    places = [(order["facility"], order["fault_code"]) for order in orders.values()]
    assert len(places) == len(set(places)), places


def _control(scene: Scene, random: Random, stack: ExitStack) -> Json:
    """Telemetry first, state second: what is committed between the two copies is lost, and the drill must see it."""
    sender = start_edge(scene, 4)
    stack.callback(sender.kill)
    wait_until(lambda: sender.done("telemetry") >= 40, "readings are acknowledged", within_s=60)
    work = scene.folder / "wrong"
    work.mkdir()
    copy_database(scene.hub.data_dir / "telemetry.db", work / "telemetry.db")
    enough = sender.done("telemetry") + random.randint(40, 80)
    wait_until(lambda: sender.done("telemetry") >= enough, "more is acknowledged", within_s=60)
    copy_database(scene.hub.data_dir / "state.db", work / "state.db")
    contents = tuple(describe(work / name, name=name) for name in ("state.db", "telemetry.db"))
    manifest = Manifest(
        version="0", revision=newest(), hub_id="hub", taken_at="", state=StateKind.SQLITE, contents=contents
    )  # fmt: skip
    file = scene.folder / "wrong.age"
    with file.open("wb") as target:
        write_archive(target, read_key(scene.key), manifest, work, name="wrong")
    scene.lose_everything_and_restore(file)
    sender.enough()
    sender.finish(60)
    made, (_, different) = sender.made("telemetry"), scene.readings("pi-4")
    assert different < made, "the wrong order lost nothing: the drill is blind"
    return {"readings": made, "lost": made - different}


def recovery(scene: Scene, *, rows: int) -> Json:
    """Back up and restore so many readings; return seconds and sizes. Anything that ran in `scene` is replaced."""
    scene.hub.kill()
    shutil.rmtree(scene.hub.data_dir)
    made_s = _make_readings(scene.hub.data_dir, rows)
    target = scene.folder / "large.age"
    taken, backup_s, backup_mb = scene.command("backup", str(target))
    size = sum(path.stat().st_size for path in scene.hub.data_dir.glob("*.db"))
    shutil.rmtree(scene.hub.data_dir)
    began_s = time.monotonic()
    _, restore_s, restore_mb = scene.command("restore", str(target))
    scene.hub.start()
    ready_s = time.monotonic() - began_s
    with closing(sqlite3.connect(scene.hub.data_dir / "telemetry.db")) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (rows,)
    return {
        "rows": rows, "stores_mb": size >> 20, "file_mb": taken["bytes"] >> 20, "made_s": round(made_s, 1),
        "backup_s": round(backup_s, 1), "backup_peak_mb": backup_mb,
        "restore_s": round(restore_s, 1), "restore_peak_mb": restore_mb, "ready_s": round(ready_s, 1),
    }  # fmt: skip


def _make_readings(data_dir: Path, rows: int) -> float:
    """Fill a data directory with readings as a year of a community leaves them: many series, values that vary."""
    began_s = time.monotonic()
    data_dir.mkdir(parents=True)
    engine = open_engine(f"sqlite:///{data_dir / 'state.db'}")
    upgrade(engine)
    engine.dispose()
    SqliteTelemetryStore.open(data_dir / "telemetry.db").close()
    with closing(sqlite3.connect(data_dir / "telemetry.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        names = json.dumps(["fill_percent", "distance_mm", "temperature_c", "battery_percent"])
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO series (id, site, facility, node, device, kind, fields)"
            " VALUES (?, 'drill', ?, ?, ?, 'fill_level', ?)",
            [(n, f"bin-{n}", f"pi-{n // 60}", f"bin-{n}-us", names) for n in range(1, SERIES + 1)],
        )  # fmt: skip
        each = rows // SERIES
        connection.execute(
            "INSERT INTO readings (series_id, at_ns, quality, v0, v1, v2, v3)"
            " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
            " SELECT i / ?, 1795000000000000000 + (i % ?) * 300000000000 + i % 1000000, 90 + i % 10,"
            " abs(random() % 1000) / 10.0, abs(random() % 2000), abs(random() % 400) / 10.0, 100 - (i % ?) * 100.0 / ?"
            " FROM n",
            (rows, each, each, each, each),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.monotonic() - began_s


def _agent(scene: Scene, node: str) -> AgentProcess:
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
    return AgentProcess(folder)


def main(arguments: Sequence[str]) -> None:
    """`python -m tests.chaos.restore_drill SEED [full]` prints the figures as JSON."""
    print(json.dumps(run(int(arguments[0]), full="full" in arguments[1:]), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
