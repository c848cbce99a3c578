"""The restore drill (G15): a hub is backed up while edges send, dies with its disk, and is restored from the backup.

Three nodes send all the while: the outside client's edge, the real agent, and a node by hand whose wearers press. What
was acknowledged after the backup is known to nobody but the edges; in the end it must be there again, each record once.
The controls are a backup whose telemetry was copied before its state, edges that let go of a record as soon as it is
acknowledged, and a restored hub that passes for the old one: each must be seen, or the drill would see nothing.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from hub.storage.sql.schema import NEWEST
from hub.storage.sqlite_copy import copy_database
from hub.upkeep.backup.archive import describe, write_archive
from hub.upkeep.backup.manifest import Manifest, StateKind
from hub.upkeep.backup.sealing import read_key
from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.client_rest import metric
from tests.acceptance.outside.edge_process import EdgeProcess
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.chaos.restore_recovery import FULL_ROWS, recovery
from tests.chaos.restore_scene import Hand, Json, Scene, an_agent, open_scene, start_edge
from tests.guarantees.guarantee import Control, Guarantee, Run
from tests.integration.edge.agent_process import AgentProcess, wait_until

READY_S: Final = 60.0
FORGETFUL: Final = "tests.chaos.forgetful_edge"
RECORDS: Final = ("sos", "telemetry")


def run(seed: int, *, full: bool) -> Run:
    """Hold the drill; `full` adds the time to recover at full size."""
    with TemporaryDirectory(prefix="linli-drill-") as name, ExitStack() as stack:
        scene = open_scene(Path(name), stack)
        figures, wrong = _drill(scene, Random(seed), stack)
        reached = (
            f"{figures['lost']} lost, {figures['doubled']} doubled of {figures['records']:,} records, of which the"
            f" backup did not know {figures['acknowledged_and_not_in_the_backup']:,} that were acknowledged;"
            f" {figures['presses']} presses each in its one alert"
        )
        if full:
            figures["recovery"] = back = recovery(scene, rows=FULL_ROWS)
            reached += f"; a hub with {back['rows']:,} readings is back {back['ready_s']:.0f} s after the command"
            if back["ready_s"] > READY_S:
                wrong.append(f"a hub of full size was back after {back['ready_s']} s")
    return Run(reached, wrong, figures)


def control(seed: int) -> Control:
    """Break the backup, an edge and the restored hub, each in turn: all must be seen."""
    with TemporaryDirectory(prefix="linli-drill-") as name, ExitStack() as stack:
        scene, random = open_scene(Path(name), stack), Random(seed)
        order = _wrong_order(scene, random, stack)
        edge, generation = _forgetful_edge(scene, stack)
    caught = {
        "telemetry is copied before the state": bool(order),
        "an edge deletes what is acknowledged": bool(edge),
        "a restored hub keeps its generation": bool(generation),
    }
    return Control(caught, {"seen": [*order, *edge, *generation]})


def _drill(scene: Scene, random: Random, stack: ExitStack) -> tuple[Json, list[str]]:
    sender = start_edge(scene, 1)
    stack.callback(sender.kill)
    agent = an_agent(scene, "pi-2")
    stack.callback(agent.__exit__)
    agent.start()
    hand = Hand(scene.site.client("pi-3").connect())
    first = hand.send("sos", hand.node.event("band-3", "sos_pressed", "before:1"))
    some = random.randint(60, 120)
    wait_until(lambda: sender.done("telemetry") >= some, "the first readings are acknowledged", within_s=60)

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

    wrong = [line for lane in hand.sent for line in _same_hub(first["hub_gen"], restored, hand.again(lane))]
    wait_until(lambda: sender.done("telemetry") > enough, "the edge has caught up", within_s=60)
    sender.enough()
    sender.finish(60)
    outbox = _everything_sent(agent)
    figures, found = _judge(scene, sender, hand, outbox)
    return {
        **figures,
        "acknowledged_and_not_in_the_backup": sum(forgotten.values()),
        "backup_s": round(backup_s, 2), "backup_peak_mb": backup_mb, **restored,
    }, wrong + found  # fmt: skip


def _full_bin(node: Node) -> list[Json]:
    return [node.fill("bin-3-us", 90.0 + n, ago_s=2 - n) for n in range(3)]


def _everything_sent(agent: AgentProcess) -> Json:
    """Have the agent send what it has and read nothing more; return what its outbox says then."""
    assert agent.stop() == 0
    return agent.drain()


def _same_hub(old_gen: str, restored: Json, ack: Json) -> list[str]:
    """A restored hub says that it is another one."""
    if ack["hub_gen"] == restored["hub_gen"] != old_gen:
        return []
    return [f"the restored hub acknowledges as {ack['hub_gen']}, before it was {old_gen}"]


def _judge(scene: Scene, sender: EdgeProcess, hand: Hand, outbox: Json) -> tuple[Json, list[str]]:
    """Hold everything against what was produced; return the counts and what is wrong."""
    site = scene.site
    produced = {("pi-1", lane): sender.made(lane) for lane in RECORDS}
    produced |= {("pi-2", lane["lane"]): lane["next"] - 1 for lane in outbox["lanes"] if lane["next"] > 1}
    produced |= {("pi-3", lane): len(records) for lane, records in hand.sent.items()}
    wrong = _unkept(scene, produced)
    stored, different = scene.readings("pi-1")
    made = sender.made("telemetry")
    if (stored, different) != (made, made):
        wrong.append(f"{made} readings made, {stored} stored, {different} of them different")
    agents = [call["ref"] for call in outbox["sos"]]
    assert agents, "the agent's wearer has pressed"
    presses = [f"band-1:{n}" for n in range(1, sender.made("sos") + 1)]
    wanted = sorted([*presses, *agents, "before:1", "after:1", "after:2"])
    alerts = site.alerts(fault_code="sosPressed")
    found = sorted(ref for alert in alerts for ref in alert["refs"])
    if found != wanted:
        wrong.append(f"presses {sorted(set(wanted) ^ set(found))} are missing, made up or in two alerts")
    late = {ref: alert["late"] for alert in alerts for ref in alert["refs"]}
    if (late.get("after:1"), late.get("after:2")) != (False, True):
        wrong.append("an old press is not told with its age, or a fresh one is")
    wrong += _wrong_orders(site)
    if residual := metric(scene.hub.url, "linli_conservation_residual"):
        wrong.append(f"the conservation residual is {residual:g}")
    return {
        "records": sum(produced.values()), "readings_of_pi_1": made, "presses": len(found), "lost": made - different,
        "doubled": stored - different,
    }, wrong  # fmt: skip


def _unkept(scene: Scene, produced: Mapping[tuple[str, str], int]) -> list[str]:
    """Lanes of which the hub has not everything, as records."""
    wrong: list[str] = []
    for node in {node for node, _ in produced}:
        rows = {row["lane"]: row for row in scene.site.lanes(node)}
        for lane in (lane for known, lane in produced if known == node):
            row, made = rows[lane], produced[node, lane]
            stands = row["high_water"], row["stored"], row["gaps"], row["quarantined"]
            if stands != (made, made, 0, 0):
                wrong.append(
                    f"{node} {lane}: {made} made, high water {stands[0]}, {stands[1]} stored, {stands[2]} given up,"
                    f" {stands[3]} in quarantine"
                )
    return wrong


def _wrong_orders(site: Neighbourhood) -> list[str]:
    """Every alert that is not closed has its one order, which is not over and names it; and no order names another."""
    alerts = {alert["id"]: alert for alert in site.alerts() if alert["state"] != "closed"}
    orders = {order["id"]: order for order in site.orders() if order["state"] not in ("closed", "cancelled")}
    alerted = {alert["facility"] for alert in alerts.values() if alert["fault_code"] in ("sosPressed", "binFull")}
    expected = {site.id(f"wearer-band-{n}") for n in (1, 2, 3, 31, 32)} | {site.id("bin-3")}
    wrong = [f"nobody is alerted of {facility}" for facility in expected - alerted]
    wrong += [
        f"alert {alert['id']} ({alert['fault_code']}) has no order that names it"
        for alert in alerts.values()
        if alert["id"] not in orders.get(alert["work_order"], {"alerts": ()})["alerts"]
    ]
    wrong += [
        f"order {order['id']} names an alert that is not there"
        for order in orders.values()
        if not set(order["alerts"]) <= set(alerts)
    ]
    places = [(order["facility"], order["fault_code"]) for order in orders.values()]
    if len(places) != len(set(places)):
        wrong.append(f"a place has two orders: {places}")
    return wrong


def _wrong_order(scene: Scene, random: Random, stack: ExitStack) -> list[str]:
    """Telemetry first, state second: what is committed between the two copies is lost."""
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
        version="0", revision=NEWEST, hub_id="hub", taken_at="", state=StateKind.SQLITE, contents=contents
    )  # fmt: skip
    file = scene.folder / "wrong.age"
    with file.open("wb") as target:
        write_archive(target, read_key(scene.key), manifest, work, name="wrong")
    scene.lose_everything_and_restore(file)
    sender.enough()
    sender.finish(60)
    made, (_, different) = sender.made("telemetry"), scene.readings("pi-4")
    return [] if different == made else [f"{made - different} of {made} readings lost"]


def _forgetful_edge(scene: Scene, stack: ExitStack) -> tuple[list[str], list[str]]:
    """An agent without what it was acknowledged, and a restored hub that says that it is the old one."""
    agent = an_agent(scene, "pi-2", module=(FORGETFUL,))
    stack.callback(agent.__exit__)
    agent.start()
    hand = Hand(scene.site.client("pi-3").connect())
    first = hand.send("sos", hand.node.event("band-3", "sos_pressed", "before:1"))
    taken, _, _ = scene.command("backup", str(scene.folder / "backups"))
    known = scene.lanes().get(("pi-2", "telemetry"), 0)
    wait_until(lambda: scene.lanes().get(("pi-2", "telemetry"), 0) >= known + 10, "more is acknowledged", within_s=60)
    restored = scene.lose_everything_and_restore(
        Path(taken["file"]), spoil=lambda: scene.keep_generation(first["hub_gen"])
    )
    again = hand.again("sos")
    outbox = _everything_sent(agent)
    produced = {("pi-2", lane["lane"]): lane["next"] - 1 for lane in outbox["lanes"] if lane["next"] > 1}
    return _unkept(scene, produced), _same_hub(first["hub_gen"], restored, again)


GUARANTEE: Final = Guarantee(
    name="G15",
    promise="A hub that lost its disk comes back from its last backup, and the edges bring again what was acknowledged"
    " since, up to 72 h: each record once, each call its alert.",
    aim="0 lost, 0 doubled; back within 60 s with 10,000,000 readings",
    run=run,
    control=control,
)
