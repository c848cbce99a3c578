"""SOS latency under faults (G5): something killed every 1.2 s; a storm of 1,000 mTLS clients; a way that is spoilt."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final

from simulators.servers.server import Server
from tests.acceptance.outside.hub_process import Hub
from tests.benchmarks.child import Child
from tests.chaos.proxy import CLEAR, Proxy, Turn, script
from tests.chaos.storm import diary_of, over_tls
from tests.chaos.storm_clients import HOLDS_S, Kind
from tests.chaos.strikes import BROKER, HUB, INFLUXDB
from tests.chaos.tls_broker import TlsBroker
from tests.chaos.wearers import Latency, Limits, Press, Scene, Wearers, during, phase, wall_ms
from tests.guarantees.guarantee import Control, Guarantee, Run

LIMITS: Final = Limits(p50_ms=None, p99_ms=5_000, longest_ms=10_000)
BUSY_LIMITS: Final = Limits(p50_ms=None, p99_ms=None, longest_ms=60_000)
"""Of the short run: the tests beside it may take the machine, and a killed hub is back when it gets its turn."""
WAY_LIMITS: Final = Limits(p50_ms=None, p99_ms=None, longest_ms=15_000)
"""A connection that swallows a call is given up after 4 s, and the next may fall into another fault; the second path
and the siren of G6 are there for that."""
KILL_EVERY_S: Final = 1.2
ALONE_S: Final = {HUB: 15.0, BROKER: 5.0, INFLUXDB: 4.0}
"""How long a target is left alone once it was killed: a hub takes some seconds to start, and is to work in between."""
AGENT_ALONE_S: Final = 6.0
AWAY_S: Final = 0.3
"""What a supervisor takes to start a program again."""
AGENTS: Final = 4
KILLS_LAST_S: Final = 120.0
SHORT_KILLS_LAST_S: Final = 7.0
STORMS: Final = 3
STORM_CLIENTS: Final = 1_000
STORM_LASTS_S: Final = 20.0
STORM_AWAY_S: Final = 0.5
SETTLES_S: Final = 8.0
"""Longer than an agent waits until it sends a call for help once more, and than the hub until it has subscribed."""
WAY_LASTS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """At this second of the play, this target."""

    at_s: float
    target: str


def kills(seed: int, *, lasts_s: float, agents: int, every_s: float = KILL_EVERY_S) -> list[Kill]:
    """Draw a kill every `every_s` on average among all that had time to come back; the hub is the first."""
    random = Random(seed)
    alone_s = ALONE_S | {f"agent-{number}": AGENT_ALONE_S for number in range(agents)}
    free_s = dict.fromkeys(alone_s, 0.0)
    drawn: list[Kill] = []
    at_s = random.uniform(0.2, 0.5)
    while at_s < lasts_s:
        free = [target for target in alone_s if free_s[target] <= at_s]
        if free:
            target = random.choice(free) if drawn else HUB
            drawn.append(Kill(round(at_s, 2), target))
            free_s[target] = at_s + alone_s[target]
        at_s += every_s * random.uniform(0.5, 1.5)
    return drawn


def run(seed: int, *, full: bool) -> Run:
    """Two minutes of kills, three storms, a minute of a spoilt way; short: a few kills."""
    agents = AGENTS if full else 1
    with tempfile.TemporaryDirectory(prefix="linli-sos-") as folder, ExitStack() as stack:
        broker = stack.enter_context(TlsBroker(Path(folder, "broker")).launch())
        scene = Scene(stack, Path(folder), broker, agents=agents)
        way = stack.enter_context(Proxy(broker.port))
        scene.start_agents(seed, port=way.port)
        scene.await_first()
        drawn = kills(seed, lasts_s=KILLS_LAST_S if full else SHORT_KILLS_LAST_S, agents=agents)
        phases = [phase("kills", lambda: _kill(scene, drawn, lasts_s=KILLS_LAST_S if full else SHORT_KILLS_LAST_S))]
        scene.hub.wait_ready()
        storms: list[dict[str, float]] = []
        turns: list[Turn] = []
        if full:
            crowd = over_tls(broker, clients=STORM_CLIENTS, seed=seed)
            with Child.python("tests.chaos.storm_clients", crowd.to_json()) as child:
                child.await_line("ready", within_s=90)
                for _ in range(STORMS):
                    time.sleep(HOLDS_S)
                    phases.append(phase("storm", lambda: storms.append(_storm(broker, child))))
            turns = script(seed, lasts_s=WAY_LASTS_S)
            phases.append(phase("spoilt way", lambda: _play(way, turns)))
        presses = scene.await_sent()
        wrong = scene.unstored()
    latencies = [_latency(name, phases, presses) for name in dict.fromkeys(name for name, _, _ in phases)]
    for latency in latencies:
        limits = WAY_LIMITS if latency.phase == "spoilt way" else LIMITS if full else BUSY_LIMITS
        wrong += latency.wrong(limits, at_least=100 if full else 5)
    if any(storm["back"] < STORM_CLIENTS for storm in storms):
        wrong.append(f"not everybody came back from a storm: {storms}")
    killed = Counter(kill.target for kill in drawn)
    every_s = (drawn[-1].at_s - drawn[0].at_s) / (len(drawn) - 1)
    reached = (
        f"press → sent, p50 / p99 / longest: {'; '.join(map(str, latencies))};"
        f" {len(drawn)} kill -9, one every {every_s:.1f} s ({_list(killed)})"
    )
    if full:
        reached += f", {STORMS} storms of {STORM_CLIENTS:,} mTLS clients, {_faults(turns)} faults of the way"
    figures = {
        "latencies": [asdict(latency) for latency in latencies],
        "kills": dict(killed),
        "kill_every_s": round(every_s, 2),
        "storms": storms,
        "faults_of_the_way": _faults(turns),
    }
    return Run(reached, wrong, figures)


def control(seed: int) -> Control:
    """An agent that does not send again what is not acknowledged, when the hub is killed under its presses."""
    mutant = _under_a_kill(seed, "never_send_again")
    sound = _under_a_kill(seed, None)
    caught = {"never_send_again": mutant.unsent > 0 and sound.unsent == 0}
    return Control(caught, {latency.phase: asdict(latency) for latency in (mutant, sound)})


def _under_a_kill(seed: int, mutant: str | None) -> Latency:
    """What is pressed before the hub is back, and somewhat later; seen when the next re-sending is long over."""
    with tempfile.TemporaryDirectory(prefix="linli-sos-") as folder, ExitStack() as stack:
        broker = stack.enter_context(TlsBroker(Path(folder, "broker")).launch())
        scene = Scene(stack, Path(folder), broker, agents=1)
        scene.start_agents(seed, module=("edge",) if mutant is None else ("tests.chaos.mutants", mutant, "edge"))
        scene.await_first()
        _kill(scene, [Kill(0.5, HUB)], lasts_s=1.0)
        scene.hub.wait_ready()
        until_ms = wall_ms() + 1_000
        time.sleep(SETTLES_S)
        return Latency.of(mutant or "sound", during(scene.presses(), 0, until_ms))


def _kill(scene: Scene, drawn: Sequence[Kill], *, lasts_s: float) -> None:
    """Kill as drawn; each target starts again soon, without anybody waiting for it."""
    acts: list[tuple[float, Callable[[], None]]] = []
    for kill in drawn:
        target = _target(scene, kill.target)
        acts += [(kill.at_s, target.kill), (kill.at_s + AWAY_S, _start_of(target))]
    begun_s = time.monotonic()
    for at_s, act in sorted(acts, key=lambda one: one[0]):
        time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
        act()
    time.sleep(max(0.0, begun_s + lasts_s - time.monotonic()))


def _target(scene: Scene, name: str) -> Hub | Server | Wearers:
    known = {HUB: scene.hub, BROKER: scene.broker, INFLUXDB: scene.influx}
    return known.get(name) or scene.wearers[int(name.removeprefix("agent-"))]


def _start_of(target: Hub | Server | Wearers) -> Callable[[], None]:
    if isinstance(target, Hub):
        return target.launch
    return target.restart if isinstance(target, Server) else target.start


def _storm(broker: TlsBroker, child: Child) -> dict[str, float]:
    """Kill the broker under everybody; return how many came back, and after how many seconds the last."""
    diary_of(child)
    begun_s = time.monotonic()
    broker.kill()
    time.sleep(STORM_AWAY_S)
    broker.restart()
    time.sleep(STORM_LASTS_S)
    up = {number: at_s - begun_s for at_s, kind, number in diary_of(child) if kind == Kind.IS_UP}
    return {"back": len(up), "last_back_s": round(max(up.values(), default=-1.0), 2)}


def _play(way: Proxy, turns: Sequence[Turn]) -> None:
    way.play(turns).join()
    way.turn(CLEAR)
    time.sleep(1.0)


def _latency(name: str, phases: Sequence[tuple[str, float, float]], presses: Sequence[Press]) -> Latency:
    found = [during(presses, begun, ended) for known, begun, ended in phases if known == name]
    return Latency.of(name, [press for part in found for press in part])


def _list(killed: Counter[str]) -> str:
    agents = sum(count for target, count in killed.items() if target.startswith("agent"))
    known = {target: killed[target] for target in (HUB, BROKER, INFLUXDB)}
    return ", ".join(f"{count} {target}" for target, count in {**known, "agents": agents}.items())


def _faults(turns: Sequence[Turn]) -> int:
    return sum(turn.to != CLEAR for turn in turns)


GUARANTEE: Final = Guarantee(
    name="G5",
    promise="A call for help comes through within seconds, also while hub, broker and agents are killed one after the"
    " other, and while a whole city reconnects.",
    aim="press → sent: p99 ≤ 5 s, longest ≤ 10 s with a kill every 1.2 s, and in a storm of 1,000 mTLS clients",
    run=run,
    control=control,
)
