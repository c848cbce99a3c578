"""SOS latency (G4): press → the hub's commit → *sent* at the wearer; calm, and beside a backlog that drains."""

import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.benchmarks.child import Child
from tests.benchmarks.drain import fill
from tests.benchmarks.fleet import Load
from tests.benchmarks.stage import greeted
from tests.chaos.wearers import Latency, Limits, Scene, during, phase
from tests.guarantees.guarantee import Control, Guarantee, Run

LIMITS: Final = Limits(p50_ms=100, p99_ms=500, longest_ms=2_000)
BUSY_LIMITS: Final = Limits(p50_ms=500, p99_ms=2_000, longest_ms=5_000)
"""Of the short run: the tests beside it may take the machine."""
AGENTS: Final = 4
DRAINING: Final = 40
PACED: Final = 10
BACKLOG: Final = 400_000
SHORT_BACKLOG: Final = 10_000
READINGS_A_SECOND: Final = 1_000
RECORDS_A_MESSAGE: Final = 20
CALM_S: Final = 60.0
SHORT_CALM_S: Final = 4.0
DRAINS_WITHIN_S: Final = 240.0
CONTROL_BACKLOG: Final = 60_000
CONTROL_S: Final = 6.0


def run(seed: int, *, full: bool) -> Run:
    """Press on a calm hub, then while 400,000 records of 40 nodes drain and 10 others make 1,000 readings a second."""
    agents, draining, paced = (AGENTS, DRAINING, PACED) if full else (1, 2, 1)
    backlog = BACKLOG if full else SHORT_BACKLOG
    with tempfile.TemporaryDirectory(prefix="linli-sos-") as folder, ExitStack() as stack:
        broker = stack.enter_context(MosquittoServer.start(Path(folder, "broker"), auth=BrokerAuth.ANONYMOUS))
        scene = Scene(stack, Path(folder), broker, agents=agents, others=draining + paced)
        scene.start_agents(seed)
        scene.await_first()
        phases = [phase("calm", lambda: time.sleep(CALM_S if full else SHORT_CALM_S))]
        steady = Load(broker.port, paced, RECORDS_A_MESSAGE, readings=None, run=1, first=agents, pace=READINGS_A_SECOND)
        heavy = Load(broker.port, draining, RECORDS_A_MESSAGE, readings=backlog, run=2, first=agents + paced)
        rates: dict[str, Any] = {}
        with greeted(steady) as beside, greeted(heavy) as drain:
            phases.append(phase("while a backlog drains", lambda: rates.update(_drain(beside, drain))))
        presses = scene.await_sent()
        wrong = scene.unstored()
    latencies = [Latency.of(name, during(presses, begun, ended)) for name, begun, ended in phases]
    for latency in latencies:
        wrong += latency.wrong(LIMITS if full else BUSY_LIMITS, at_least=100 if full else 1)
    reached = (
        f"press → sent, p50 / p99 / longest: {'; '.join(map(str, latencies))}; {backlog:,} records drained at"
        f" {rates['drained_a_second']:,.0f} a second beside {rates['beside_a_second']:,.0f} readings a second"
    )
    return Run(reached, wrong, {"latencies": [asdict(latency) for latency in latencies], **rates})


def control(seed: int) -> Control:
    """An agent that sends calls for help behind its readings, when it has been offline for long."""
    found = {name: _offline_for_long(seed, name) for name in ("sos_behind_telemetry", None)}
    caught = bool(found["sos_behind_telemetry"].wrong(LIMITS, at_least=1))
    return Control({"sos_behind_telemetry": caught}, {str(name): asdict(latency) for name, latency in found.items()})


def _offline_for_long(seed: int, mutant: str | None) -> Latency:
    """The first seconds of an agent with a full outbox."""
    with tempfile.TemporaryDirectory(prefix="linli-sos-") as folder, ExitStack() as stack:
        broker = stack.enter_context(MosquittoServer.start(Path(folder, "broker"), auth=BrokerAuth.ANONYMOUS))
        scene = Scene(stack, Path(folder), broker, agents=1)
        fill(Path(folder, "agent-0", "data"), CONTROL_BACKLOG)
        scene.start_agents(seed, module=("edge",) if mutant is None else ("tests.chaos.mutants", mutant, "edge"))
        time.sleep(CONTROL_S)
        return Latency.of(mutant or "sound", scene.presses())


def _drain(beside: Child, drain: Child) -> dict[str, float]:
    beside.say("go")
    drain.say("go")
    rates: dict[str, float] = {}
    for name, child in (("drained_a_second", drain), ("beside_a_second", beside)):
        if child is beside:
            child.say("stop")
        rates[name] = _rate(child.await_line("done", within_s=DRAINS_WITHIN_S))
    return rates


def _rate(said: str) -> float:
    done: dict[str, float] = json.loads(said.removeprefix("done"))
    return round(done["readings"] / done["seconds"], 1)


GUARANTEE: Final = Guarantee(
    name="G4",
    promise="A call for help is with the hub, committed, and its wearer sees so, in a moment; also while a backlog"
    " drains.",
    aim="press → sent: p50 ≤ 100 ms, p99 ≤ 500 ms, longest ≤ 2 s, calm and beside a draining backlog of 400,000"
    " records and 1,000 readings a second",
    run=run,
    control=control,
)
