"""A hub that is killed at each of its fault points in turn, while an edge goes on sending: the ledger afterwards.

`python -m tests.chaos.fault_points [--seed N] [--rounds N]` prints what was found as JSON; each round kills at every
point once, each time at another occurrence of it.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from hub.fault_points import FaultPoint
from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.edge_process import WITHOUT_END, EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.influx_reader import InfluxReader
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.webhook_receiver import WebhookReceiver
from tests.chaos import notifying
from tests.chaos.faulty_hub import MUTANTS
from tests.guarantees.guarantee import Control, Guarantee, Run

Found = TypeVar("Found", bound=Sized)
PASSED_WITHIN_S: Final = 60
"""An edge that sends all the time brings the hub past each of its points sooner."""
LATEST_OCCURRENCE: Final = 6
COMES_WITHIN_S: Final = 60
"""Longer than a lease: what a killed sender held is sent again when it has run out."""
CONTROL_COMES_WITHIN_S: Final = 5
RATE: Final = 40
READINGS_A_PRESS: Final = 20
ROUNDS: Final = 5
"""Of ten kills of real processes each."""
FORKED_KILLS: Final = 460
SHORT_KILLS: Final = 2
SHORT_FORKED_KILLS: Final = 14
CONTROL_KILLS: Final = 12
CAUGHT_BY: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "never_takes_over": ((FaultPoint.NOTIFICATIONS_LEASED,), "neither arrived"),
    "gives_up_what_a_dead_sender_held": ((FaultPoint.NOTIFICATIONS_LEASED,), "neither arrived"),
    "acknowledges_before_the_commit": ((FaultPoint.STATE_WRITTEN,), "presses are in an alert"),
    "tells_people_after_the_commit": ((FaultPoint.STATE_COMMITTED,), "messages to"),
    "moves_on_before_the_answer": ((FaultPoint.LINES_PASSED_OVER,), "lines in InfluxDB"),
    "new_id_each_attempt": (notifying.POINTS, "ids that no alarm has"),
}
"""Mutant → where it is killed, and what has to be found then."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where the hub was killed: at which occurrence of which point since its start."""

    point: FaultPoint
    nth: int


@dataclass(slots=True)
class Ledger:
    """What was made, and what became of it."""

    seed: int
    kills: list[Kill]
    readings: int = 0
    presses: int = 0
    stored: int = 0
    doubled: int = 0
    """Readings that it holds twice."""
    points: int = 0
    """Distinct readings that the telemetry store holds."""
    alerts: int = 0
    heard_refs: int = 0
    notifications: int = 0
    """Distinct ids that the webhook was called with."""
    repeated: int = 0
    """Calls under an id that had arrived before."""
    residual: float = 0.0

    def wrong(self) -> list[str]:
        """Return what the promise (wire.md §3, §8; guarantees G1, G7) does not allow."""
        possible_repeats = len(self.kills)  # wherever it dies, another thread may have sent what is not yet recorded
        checks = {
            f"{self.stored} of {self.readings} readings are counted": self.stored == self.readings,
            f"{self.points} of {self.readings} readings are in the store": self.points == self.readings,
            f"{self.doubled} readings are stored twice": self.doubled == 0,
            f"{self.alerts} alerts for one wearer": self.alerts == 1,
            f"{self.heard_refs} of {self.presses} presses are in the alert": self.heard_refs == self.presses,
            f"{self.notifications} notifications for {self.presses} presses": self.notifications == self.presses,
            f"{self.repeated} calls repeated, {possible_repeats} allowed": self.repeated <= possible_repeats,
            f"the conservation residual is {self.residual:g}": self.residual == 0,
        }
        return [words for words, holds in checks.items() if not holds]


def die_at(hub: Hub, kill: Kill, mutants: Sequence[str]) -> None:
    """Have the hub serve until it passes the point; AssertionError where it does not."""
    hub.kill()
    serve = replace(hub, command=(sys.executable, "-m", "tests.chaos.faulty_hub", kill.point, str(kill.nth), *mutants))
    serve.launch()
    try:
        code = serve.wait_ended(PASSED_WITHIN_S)
    except subprocess.TimeoutExpired:
        message = f"{kill.point} was not passed {kill.nth} times in {PASSED_WITHIN_S} s\n{hub.tail()}"
        raise AssertionError(message) from None
    finally:
        serve.kill()
    assert code == -signal.SIGKILL, f"the hub ended with {code} before {kill.point}\n{hub.tail()}"


def schedule(seed: int, rounds: int) -> list[Kill]:
    """Return every point once a round, in an order and at occurrences that the seed draws."""
    random = Random(seed)
    kills: list[Kill] = []
    for _ in range(rounds):
        points = [point for point in FaultPoint if point not in notifying.RARE]  # an edge does not lead it there
        random.shuffle(points)
        kills += [Kill(point, random.randint(1, LATEST_OCCURRENCE)) for point in points]
    return kills


def play(folder: Path, kills: Sequence[Kill], *, seed: int, mutants: Sequence[str] = (), refused: int = 0) -> Ledger:
    """Kill a hub at each of the points while an edge reads and a wearer presses; return what became of it all.

    `mutants` break the hub on purpose (`faulty_hub.MUTANTS`): then the ledger has to show it. The first
    `refused` calls of the webhook are answered with 503.
    """
    ledger = Ledger(seed, list(kills))
    with (
        MosquittoServer.start(folder / "broker") as broker,
        InfluxServer.start(folder / "influx") as influx,
        WebhookReceiver() as receiver,
    ):
        influx.create_database("faults")
        receiver.answers = [503] * refused
        hub = Hub(
            data_dir=folder / "data",
            mqtt_url=broker.admin_url,
            influx={"url": influx.url, "token": ":", "org": "-", "bucket": "faults"},
        )
        hub.start()
        admin = Rest(hub.url).login(*ADMIN)
        site = Neighbourhood(admin, "faults").build()
        admin.create(
            "webhooks", {"site": site.slug, "url": receiver.url, "events": ["alert.fired", "alert.pressed_again"]}
        )
        site.node()
        edge = EdgeProcess(
            folder / "outbox.db",
            port=broker.port,
            site=site,
            node="pi-1",
            device=site.bin(interval_s=60)[1],
            band=site.band()[1],
            rate=RATE,
            readings=WITHOUT_END,
            presses=WITHOUT_END // READINGS_A_PRESS,
        )
        edge.start()
        try:
            for kill in kills:
                die_at(hub, kill, mutants)
            edge.enough()
            hub.start()
            edge.finish(PASSED_WITHIN_S)
            ledger.readings, ledger.presses = edge.made("telemetry"), edge.made("sos")
            admin.login(*ADMIN)
            patience_s = CONTROL_COMES_WITHIN_S if mutants else COMES_WITHIN_S
            _tell(ledger, site, InfluxReader(influx.url, "faults"), receiver, patience_s=patience_s)
            ledger.residual = metric(hub.url, "linli_conservation_residual")
        finally:
            edge.kill()
            admin.close()
            hub.kill()
    return ledger


def _tell(
    ledger: Ledger, site: Neighbourhood, influx: InfluxReader, receiver: WebhookReceiver, *, patience_s: float
) -> None:
    ledger.stored = sum(row["stored"] for row in site.lanes() if row["lane"] == "telemetry")
    rows = _come(lambda: influx.points("fill_level", site.slug), ledger.readings, patience_s)
    ledger.points = len({row["distance_mm"] for row in rows})
    ledger.doubled = len(rows) - ledger.points
    found = site.alerts(fault_code="sosPressed")
    ledger.alerts = len(found)
    ledger.heard_refs = len({ref for alert in found for ref in alert["refs"]})
    _come(lambda: {call.id for call in receiver.calls}, ledger.presses, patience_s)
    counts = Counter(call.id for call in receiver.calls)
    ledger.notifications, ledger.repeated = len(counts), sum(counts.values()) - len(counts)


def _come(look: Callable[[], Found], wanted: int, patience_s: float) -> Found:
    """Look until as many have come as are wanted, or for as long as it is worth while."""
    until_s = time.monotonic() + patience_s
    while len(found := look()) < wanted and time.monotonic() < until_s:
        time.sleep(0.5)
    return found


def run(seed: int, *, full: bool = False) -> Run:
    """Kill real processes, and beside them a forked loop among services that misbehave."""
    rounds = schedule(seed, ROUNDS if full else 1)
    kills = rounds if full else rounds[:SHORT_KILLS]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        forked = beside.submit(notifying.play, seed, FORKED_KILLS if full else SHORT_FORKED_KILLS)
        ledger = play(Path(folder), kills, seed=seed)
        loop = forked.result()
    silent = sum("neither arrived" in wrong for wrong in loop.wrong)
    reached = (
        f"{len(kills)} kills of real processes and {loop.killed} of a forked loop: every one of"
        f" {ledger.presses + loop.presses} calls for help was told, {silent or 'no'} alarm silent,"
        f" {ledger.repeated + loop.repeated} messages repeated, each under its own id"
    )
    figures = {"processes": {**asdict(ledger), "kills": len(kills)}, "forked": loop.figures()}
    return Run(reached, [*ledger.wrong(), *loop.wrong], figures)


def control(seed: int) -> Control:
    """Break the hub in one way a run: lines are lost, a call is heard twice, an alarm reaches nobody."""
    kills = [Kill(FaultPoint.LINES_PASSED_OVER, 3)]  # the mutant passes it before, too: this is the second body's
    with tempfile.TemporaryDirectory() as folder:
        ledger = play(Path(folder), kills, seed=seed, mutants=list(MUTANTS), refused=3)
    caught = {
        "processes: let_go_before_influxdb": ledger.points < ledger.readings,
        "processes: new_id_each_attempt": ledger.notifications > ledger.presses,
    }
    figures: dict[str, object] = {"processes": ledger.wrong()}
    for mutant, (points, word) in CAUGHT_BY.items():
        wrong = notifying.play(seed, CONTROL_KILLS, points=points, mutants=[mutant]).wrong
        caught[mutant] = any(word in line for line in wrong)
        figures[mutant] = wrong[:5]
    return Control(caught, figures)


GUARANTEE: Final = Guarantee(
    name="G7",
    promise="Every alarm reaches its receiver or fails where people see it, wherever the hub is killed.",
    aim="no silent alarm over 500 kills at every fault point; one repeat a kill, receiver and lane, under the same id",
    run=run,
    control=control,
)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = play(Path(folder), schedule(options.seed, options.rounds), seed=options.seed)
    json.dump({**asdict(ledger), "wrong": ledger.wrong()}, sys.stdout, indent=1)
    sys.exit(1 if ledger.wrong() else 0)


if __name__ == "__main__":
    main()
