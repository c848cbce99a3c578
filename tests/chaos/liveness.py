"""Liveness (G9): how long until people are told of a silent edge, a silent hub, a silent way for SOS; real processes.

The figures of a real run hold for the patience it sets (seconds instead of the default's minute and a half). What the
defaults give comes from the same rules on timelines (`liveness_timeline`), to which is added what the real processes
took beyond their own patience.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.chaos.listener import Listener, until
from tests.chaos.liveness_stage import BATTERY, SILENT_S, SITE, Stage, WatchdogProcess, an_agent, stage
from tests.chaos.liveness_timeline import control, worst
from tests.chaos.proxy import BLACK_HOLE, Proxy
from tests.guarantees.guarantee import Guarantee, Run

AFTER_S: Final = 18.0
SOS_AFTER_S: Final = 15.0
"""Three hellos of 5 s, the shortest a hub may ask for."""
LATE_S: Final = 4.0
"""What a busy machine may add."""
EDGE_GOAL_S: Final = 90.0
HUB_GOAL_S: Final = 60.0
BATTERY_GOAL_PERCENT: Final = 20.0
ROUNDS: Final = 4
SOS_ALONE: Final = "black hole for SOS alone"
FAULTS: Final = ("frozen", "killed", SOS_ALONE, "black hole")
SHORT_FAULTS: Final = FAULTS[:3]
"""A hub and a broker cannot tell a black hole from a frozen edge."""


def run(seed: int, *, full: bool) -> Run:
    """Measure; `full` repeats each silence and kills the watchdog once more."""
    random, faults = Random(seed), FAULTS if full else SHORT_FAULTS
    edges: dict[str, list[float]] = {fault: [] for fault in faults}
    hub: list[float] = []
    chain: list[float] = []
    batteries: list[float] = []
    wrong: list[str] = []
    with TemporaryDirectory(prefix="linli-liveness-") as folder:
        for number in range(ROUNDS if full else 1):
            with stage(Path(folder) / str(number)) as at, Listener() as listener, WatchdogProcess(at, listener) as dog:
                told = silent_edges(at, random, faults, quiet_s=SOS_AFTER_S + 5 if full else 0)
                for fault, told_s in told.items():
                    edges[fault].append(told_s)
                batteries += [alert["value"] for alert in at.firing("batteryLow")]
                wrong += _misjudged(at, faults)
                until(lambda at=at: at.probes() >= 2, "test presses come through", within_s=60)
                chain.append(silent_broker(at, listener))
                hub.append(silent_hub(at, dog, listener, again=full))
                wrong += _disturbed(at) + _unsaid(listener)
    by_default = worst(seed, times=200 if full else 20)
    figures: dict[str, Any] = {
        "edge_silent_told_s": edges,
        "edge_patience_s": SOS_AFTER_S,
        "hub_frozen_told_s": hub,
        "broker_killed_told_s": chain,
        "watchdog_patience_s": SILENT_S,
        "battery_told_at_percent": batteries,
        "timelines_worst": by_default,
    }
    told_s = {**{f"edge, {fault}": times for fault, times in edges.items()}, "hub": hub, "way for SOS": chain}
    wrong += _late(told_s, rounds=ROUNDS if full else 1)
    beyond_s = max((max(times) for times in edges.values() if times), default=0.0) - SOS_AFTER_S
    watched_s = max((*hub, *chain), default=0.0) - SILENT_S
    edge_s = max(by_default["edge silent"], by_default["SOS lane silent"]) + max(0.0, beyond_s)
    hub_s = max(by_default["hub silent"], by_default["chain silent"]) + max(0.0, watched_s)
    percent = min(by_default["battery low"], *batteries) if batteries else 0.0
    if edge_s > EDGE_GOAL_S:
        wrong.append(f"by the defaults a silent edge is told after {edge_s:.0f} s")
    if hub_s > HUB_GOAL_S:
        wrong.append(f"by the defaults a silent hub is told after {hub_s:.0f} s")
    if by_default["battery low"] < 0 or batteries != [float(_first_low())] * len(batteries):
        wrong.append(f"a battery was told late, at {batteries} %")
    if len(batteries) != len(faults) * (ROUNDS if full else 1):
        wrong.append(f"{len(batteries)} low batteries were told")
    reached = (
        f"told within {edge_s:.0f} s of an edge that falls silent ({len(faults)} ways, the way for SOS alone among"
        f" them), within {hub_s:.0f} s of a silent hub or broker, of a battery at {percent:.0f} %; no false alarm"
    )
    return Run(reached, wrong, {**figures, "edge_told_by_default_s": edge_s, "hub_told_by_default_s": hub_s})


def silent_edges(at: Stage, random: Random, faults: Sequence[str], *, quiet_s: float = 0) -> dict[str, float]:
    """Silence edges at once, each in its way; return after how many seconds an alert of each was there.

    Before that nobody may be accused for `quiet_s`.
    """
    names = [f"pi-{number}" for number in range(1, len(faults) + 1)]
    _register(at, names)
    with ExitStack() as stack:
        only = {"black hole": b"", SOS_ALONE: b".sos"}
        holes = {
            fault: stack.enter_context(Proxy(at.broker.port, only=only[fault])) for fault in faults if fault in only
        }
        agents = {
            fault: stack.enter_context(an_agent(at, name, holes[fault].port if fault in holes else at.broker.port))
            for name, fault in zip(names, faults, strict=True)
        }
        until(lambda: at.online() >= set(names), "every edge is online", within_s=60, every_s=0.3)
        until(lambda: len(at.firing("batteryLow")) == len(names), "batteries are low", within_s=60, every_s=0.3)
        time.sleep(quiet_s + random.uniform(0, 5))  # anywhere between two hellos
        accused = at.offline()
        assert not accused, f"accused before anything was silent: {accused}"
        began_s = time.monotonic()
        os.kill(agents["frozen"].pid, signal.SIGSTOP)
        agents["killed"].kill()
        for hole in holes.values():
            hole.turn(BLACK_HOLE)
        told: dict[str, float] = {}
        try:
            while len(told) < len(faults) and time.monotonic() - began_s < 2 * AFTER_S:
                found = at.offline()
                for name, fault in zip(names, faults, strict=True):
                    if f"{SITE}.{name}" in found:
                        told.setdefault(fault, round(time.monotonic() - began_s, 2))
                time.sleep(0.2)
        finally:
            os.kill(agents["frozen"].pid, signal.SIGCONT)
    return told


def silent_broker(at: Stage, listener: Listener) -> float:
    """Kill the broker, which ends the way for SOS, and start it again; return after how many seconds it was told."""
    before, port = len(listener.heard), at.broker.port
    at.broker.kill()
    try:
        told_s = until(lambda: len(listener.heard) > before, "told of the dead broker", within_s=4 * SILENT_S)
    finally:
        at.broker.restart()
    assert at.broker.port == port
    until(lambda: _is_over(listener, before), "told that it is over", within_s=150)
    return round(told_s, 2)


def silent_hub(at: Stage, dog: WatchdogProcess, listener: Listener, *, again: bool) -> float:
    """Freeze the hub; return after how many seconds the watchdog wanted to tell.

    Nobody takes what it says at first, and it is killed: it must tell after its start. `again`: it is killed a second
    time once it has told, and must not repeat itself.
    """
    before, starts = len(listener.heard), dog.starts()
    listener.refusing = True
    os.kill(at.hub.pid, signal.SIGSTOP)
    try:
        told_s = until(lambda: dog.letters() != [], "it wants to tell", within_s=4 * SILENT_S)
        dog.kill()
        listener.refusing = False
        dog.start()
        until(lambda: len(listener.heard) > before, "what nobody took is told after the restart", within_s=30)
        until(lambda: dog.letters() == [], "it knows that it was told", within_s=10)
        if again:
            dog.kill()
            dog.start()
            until(lambda: dog.starts() > starts + 1, "it watches again", within_s=30)
    finally:
        os.kill(at.hub.pid, signal.SIGCONT)
    try:
        until(lambda: _is_over(listener, before), "told that it is over", within_s=150)
    except AssertionError as error:
        raise AssertionError(f"{error}: {listener.titles[before:]}\n{dog.log.read_text()[-4_000:]}") from error
    return round(told_s, 2)


def _is_over(listener: Listener, before: int) -> bool:
    """Whether the last that was told is that all is well; before that it may have become worse."""
    told = listener.titles[before:]
    return len(told) > 1 and "well again" in told[-1]


def _register(at: Stage, names: Sequence[str]) -> None:
    rest = at.rest
    rest.post("sites", {"slug": SITE, "name": SITE, "time_zone": "UTC", "location": {"lat": 31.2, "lon": 121.5}})
    rest.put("rules/nodeOffline", {"scope": SITE, "parameters": {"after_s": AFTER_S, "sos_after_s": SOS_AFTER_S}})
    for name in names:
        rest.post("nodes", {"site": SITE, "slug": name, "name": name})
        rest.post("facilities", {"site": SITE, "slug": f"bin-{name}", "kind": "bin", "name": name})
        device = {
            "slug": f"{name}-us",
            "kind": "fill_level",
            "facility": f"{SITE}.bin-{name}",
            "node": f"{SITE}.{name}",
        }
        rest.post("devices", {"site": SITE, **device, "expected_interval_s": 60})


def _misjudged(at: Stage, faults: Sequence[str]) -> list[str]:
    """A node whose way for SOS alone is dead is online, and said to be silent for that reason."""
    node = f"pi-{faults.index(SOS_ALONE) + 1}"
    reason = at.offline().get(f"{SITE}.{node}", {}).get("reason")
    wrong = [] if reason == "sos_lane_silent" else [f"the way for SOS alone is dead, and the reason told is {reason}"]
    return wrong if node in at.online() else [*wrong, "an edge whose way for SOS alone is dead counts as offline"]


def _disturbed(at: Stage) -> list[str]:
    """What test presses must not leave where people look."""
    seen = {
        "alerts": at.rest.get("alerts", site="linli-watchdog")["items"],
        "notifications": [item for item in at.rest.get("notifications")["items"] if item["channel"] == "sink"],
        "sites": [site for site in at.rest.get("sites")["items"] if site["slug"] == "linli-watchdog"],
    }
    return [f"test presses made {what}: {items}" for what, items in seen.items() if items]


def _unsaid(listener: Listener) -> list[str]:
    """People are told of each of the two silences once, and once that it is over."""
    said = ["trouble" if "SOS path in trouble" in title else "over" for title in listener.titles]
    texts = " ".join(text for _, _, text in listener.heard)
    wrong = [] if said == ["trouble", "over"] * 2 else [f"people were told {listener.titles}"]
    missing = [words for words in ("a real SOS may not either", "the hub does not answer") if words not in texts]
    return wrong + [f"nobody was told that {words!r}" for words in missing]


def _late(told_s: dict[str, list[float]], *, rounds: int) -> list[str]:
    wrong = [f"{who}: told {len(times)} of {rounds} times" for who, times in told_s.items() if len(times) != rounds]
    for who, times in told_s.items():
        patience_s = SOS_AFTER_S if who.startswith("edge") else SILENT_S
        wrong += [f"{who}: told after {at_s} s of {patience_s:g} s" for at_s in times if at_s > patience_s + LATE_S]
    return wrong


def _first_low() -> int:
    return next(percent for percent in BATTERY if percent <= BATTERY_GOAL_PERCENT)


GUARANTEE: Final = Guarantee(
    name="G9",
    promise="Silence is told: an edge or its way for SOS that is dead to the people on duty, a dead hub by a watchdog"
    " beside it, a battery before it is empty.",
    aim="edge or SOS lane silent ≤ 90 s, hub silent ≤ 60 s, battery at 20 % or more than 7 days before",
    run=run,
    control=control,
)
