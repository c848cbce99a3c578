"""Overload (G16): ten times the design rate for minutes; the hub stays small, counts what it sheds, loses nothing."""

import contextlib
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import psutil

from hub.ingest.worker import QUEUE_MESSAGES
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.acceptance.outside.client_rest import metric, metrics
from tests.benchmarks.child import Child
from tests.benchmarks.community import SITE, Place
from tests.chaos.overload_fleet import LONGEST_S, Overload
from tests.chaos.wearers import Latency, Limits, Scene, during, phase
from tests.guarantees.guarantee import Control, Guarantee, Run

DESIGN_RATE: Final = 1_000
"""Readings a second."""
TIMES: Final = 10
LASTS_S: Final = 300.0
SHORT_LASTS_S: Final = 8.0
NODES: Final = 50
SHORT_NODES: Final = 4
WINDOW: Final = 2_000
"""Messages under way of each of 50 nodes: as many as 12,500 real nodes may have, twice what the queue holds."""
SHORT_WINDOW: Final = 1_000
SHORT_QUEUE: Final = 200
MOST_MB: Final = 512.0
NOT_TELEMETRY: Final = 100
"""What is no telemetry is queued in any case."""
LIMITS: Final = Limits(p50_ms=None, p99_ms=2_000, longest_ms=None)
BUSY_LIMITS: Final = Limits(p50_ms=None, p99_ms=5_000, longest_ms=None)
"""Of the short run: the tests beside it may take the machine."""
LOOKS_EVERY_S: Final = 0.5
COMES_TO_REST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is tried."""

    nodes: int
    agents: int
    lasts_s: float
    window: int
    queue: int
    limits: Limits
    presses: int

    @classmethod
    def of(cls, *, full: bool) -> "Sizes":
        """The five minutes with the hub's own queue, or seconds with a short one, so that it is full at once."""
        if full:
            return cls(NODES, 2, LASTS_S, WINDOW, QUEUE_MESSAGES, LIMITS, 100)
        return cls(SHORT_NODES, 1, SHORT_LASTS_S, SHORT_WINDOW, SHORT_QUEUE, BUSY_LIMITS, 3)


class Watch:
    """Looks at the hub's memory and queues while a block runs."""

    def __init__(self, scene: Scene) -> None:
        self._process, self._broker = psutil.Process(scene.hub.pid), psutil.Process(scene.broker.pid)
        self._url = scene.hub.url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most: dict[str, float] = {"hub_mb": 0.0, "broker_mb": 0.0, "queue_messages": 0.0, "influx_rows": 0.0}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOKS_EVERY_S):
            self._keep("hub_mb", self._process.memory_info().rss / 1e6)
            self._keep("broker_mb", self._broker.memory_info().rss / 1e6)
            with contextlib.suppress(httpx2.HTTPError):
                for (name, _), value in metrics(self._url).items():
                    if name == "linli_queue_messages":
                        self._keep("queue_messages", value)
                    elif name == "linli_influx_backlog_rows":
                        self._keep("influx_rows", value)

    def _keep(self, name: str, value: float) -> None:
        self.most[name] = round(max(self.most[name], value), 1)


def run(seed: int, *, full: bool) -> Run:
    """Have the nodes measure ten times the design rate while people press, then let all come to rest.

    A fast machine takes that without shedding; so the full run also has the short queue, which is full at once.
    """
    short = overload(seed, Sizes.of(full=False))
    if not short.figures["shed"]:
        short = Run(short.reached, [*short.wrong, f"a queue of {SHORT_QUEUE} shed nothing"], short.figures)
    if not full:
        return short
    long = overload(seed, Sizes.of(full=True))
    reached = f"{long.reached}; with a queue of {SHORT_QUEUE}: {short.figures['shed']:,.0f} shed and counted, none lost"
    return Run(reached, [*long.wrong, *short.wrong], {**long.figures, "short": short.figures})


def overload(seed: int, sizes: Sizes, *mutants: str) -> Run:
    """Do it with a hub of those faults."""
    rate = DESIGN_RATE * TIMES
    with tempfile.TemporaryDirectory(prefix="linli-overload-") as folder, ExitStack() as stack:
        broker = stack.enter_context(MosquittoServer.start(Path(folder, "broker"), auth=BrokerAuth.ANONYMOUS))
        counted = Path(folder, "counted.json")
        command = (sys.executable, "-m", "tests.chaos.counting_hub", str(counted), str(sizes.queue), *mutants)
        scene = Scene(stack, Path(folder), broker, agents=sizes.agents, others=sizes.nodes, hub_command=command)
        scene.start_agents(seed)
        scene.await_first()
        load = Overload(broker.port, sizes.nodes, rate, sizes.lasts_s, sizes.window, first=sizes.agents)
        with Child.python("tests.chaos.overload_fleet", load.to_json()) as fleet, Watch(scene) as watch:
            fleet.await_line("ready", within_s=90)
            fleet.say("go")
            name, begun_ms, ended_ms = phase("SOS", lambda: time.sleep(sizes.lasts_s))
            said = fleet.await_line("done", within_s=LONGEST_S)
            loaded: dict[str, Any] = json.loads(said.removeprefix("done"))
        presses = scene.await_sent()
        shed = metric(scene.hub.url, "linli_messages_shed_total")
        counts = _settled(counted, shed)
        wrong = scene.unstored() + _lost(scene, loaded["measured"])
        wrong += uncounted(counts, shed) + too_large(watch.most, counts, sizes.queue)
    latency = Latency.of(name, during(presses, begun_ms, ended_ms))
    wrong += latency.wrong(sizes.limits, at_least=sizes.presses)
    offered = loaded["offered_messages"] / sizes.lasts_s
    reached = (
        f"{rate:,} readings a second for {sizes.lasts_s:.0f} s ({offered:,.0f} messages a second with those sent"
        f" again): hub at most {watch.most['hub_mb']:.0f} MB, queue at most {counts['longest_queue']:,} of"
        f" {sizes.queue:,}, {shed:,.0f} messages shed and counted, {loaded['measured']:,} readings stored in the end,"
        f" press → sent p99 {latency.p99_ms:.0f} ms, longest {latency.longest_ms:.0f} ms"
    )
    figures = {**loaded, **watch.most, **counts, "shed": shed, "latency": asdict(latency), "design_rate": DESIGN_RATE}
    return Run(reached, wrong, figures)


def _settled(counted: Path, shed: float) -> dict[str, int]:
    """The hub's second count, once nothing is under way any more."""
    until_s = time.monotonic() + COMES_TO_REST_S
    while True:
        time.sleep(LOOKS_EVERY_S)
        counts: dict[str, int] = json.loads(counted.read_text())
        if counts["delivered"] == counts["taken"] + shed or time.monotonic() > until_s:
            return counts


def uncounted(counts: dict[str, int], shed: float) -> list[str]:
    """What came to the hub and neither was taken nor is in its count of shed messages."""
    missing = counts["delivered"] - counts["taken"] - shed
    return [f"{missing:.0f} messages were shed and not counted"] if missing else []


def too_large(most: dict[str, float], counts: dict[str, int], queue: int) -> list[str]:
    """Memory beyond its limit, and a queue beyond its own."""
    wrong: list[str] = []
    if most["hub_mb"] > MOST_MB:
        wrong.append(f"the hub took {most['hub_mb']:.0f} MB")
    longest = max(counts["longest_queue"], most["queue_messages"])
    if longest > queue + NOT_TELEMETRY:
        wrong.append(f"{longest:.0f} messages waited where {queue} may")
    return wrong


def _lost(scene: Scene, measured: int) -> list[str]:
    """What the hub's books of the overloaded nodes lack."""
    share = measured // scene.others
    wrong: list[str] = []
    for number in range(scene.agents, scene.agents + scene.others):
        lanes = scene.rest.items(f"nodes/{SITE}.{Place(number).node}/lanes")
        stored = sum(lane["stored"] for lane in lanes if lane["lane"] == "telemetry")
        if stored != share:
            wrong.append(f"{Place(number).node} measured {share}, the hub has {stored}")
    if metric(scene.hub.url, "linli_conservation_residual") != 0:
        wrong.append("the hub's books do not balance")
    return wrong


def control(seed: int) -> Control:
    """A hub whose queue has no end, and one that sheds in silence."""
    sizes = Sizes.of(full=False)
    found = {name: overload(seed, sizes, name) for name in ("never_shed", "shed_in_silence")}
    signs = {"never_shed": "messages waited where", "shed_in_silence": "shed and not counted"}
    caught = {name: any(signs[name] in wrong for wrong in run.wrong) for name, run in found.items()}
    return Control(caught, {name: {**run.figures, "wrong": list(run.wrong)} for name, run in found.items()})


GUARANTEE: Final = Guarantee(
    name="G16",
    promise="Ten times too much telemetry harms nobody: the hub stays small, sheds readings only, counts each, and gets"
    " them all from their edges in the end; calls for help go on.",
    aim="10,000 readings a second for 5 min: hub ≤ 512 MB, no queue without an end, press → sent p99 ≤ 2 s, every shed"
    " message counted, nothing lost",
    run=run,
    control=control,
)
