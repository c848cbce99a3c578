"""Liveness (G9): how long until people are told of a silent edge, a silent hub, a silent way for SOS; real processes.

The figures of a real run hold for the patience it sets (seconds instead of the default's minute and a half). What the
defaults give comes from the same rules on timelines (`liveness_timeline`); `run` adds to it what the real processes
took beyond their own patience.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import httpx2

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub, clean_environment, console_script
from tests.chaos.black_hole import BlackHole
from tests.chaos.listener import Listener, until
from tests.chaos.liveness_timeline import control, worst
from tests.integration.edge.agent_process import AgentProcess

PROBE_PASSWORD: Final = "probe-0123456789abcdef0123456789abcdef"
SITE: Final = "demo"
AFTER_S: Final = 18.0
SOS_AFTER_S: Final = 15.0
"""Three hellos of 5 s, the shortest a hub may ask for."""
SILENT_S: Final = 5.0
PROBE_EVERY_S: Final = 2.0
FAULTS: Final = ("frozen", "killed", "black hole", "black hole for SOS alone")


@dataclass(slots=True)
class Stage:
    """A broker and a hub, seen through REST."""

    folder: Path
    broker: MosquittoServer
    hub: Hub
    rest: Rest

    def probes(self) -> float:
        """How many test presses were committed since the hub's start."""
        text = httpx2.get(f"{self.hub.url}/metrics", timeout=10).text
        lines = [line for line in text.splitlines() if line.startswith("linli_probes_total ")]
        return float(lines[0].split()[1])

    def offline(self) -> dict[str, dict[str, Any]]:
        """The alerts of silent nodes that are firing, by node."""
        found = self.rest.get("alerts", site=SITE, fault_code="nodeOffline")["items"]
        return {alert["node"]: alert for alert in found if alert["state"] == "firing"}


@contextmanager
def stage(folder: Path) -> Generator[Stage]:
    """A fresh broker and hub whose watchdog may send test presses."""
    with MosquittoServer.start(folder / "broker") as broker:
        hub = Hub(folder / "hub", broker.admin_url, extra={"PROBE_PASSWORD": PROBE_PASSWORD}).start()
        rest = Rest(hub.url).login(*ADMIN)
        try:
            yield Stage(folder, broker, hub, rest)
        finally:
            rest.close()
            hub.kill()


class WatchdogProcess:
    """`linli-hub watchdog` as a child process."""

    def __init__(
        self,
        at: Stage,
        listener: Listener,
        *,
        repeat_s: float = 600,
        silent_s: float = SILENT_S,
        probe_every_s: float = PROBE_EVERY_S,
    ) -> None:
        self.folder = at.folder / "watchdog"
        self.log = at.folder / "watchdog.log"
        self._environment = clean_environment(
            {
                "WATCHDOG_TELL": listener.address,
                "WATCHDOG_HUB_URL": at.hub.url,
                "WATCHDOG_MQTT_URL": f"mqtt://127.0.0.1:{at.broker.port}",
                "WATCHDOG_PROBE_PASSWORD": PROBE_PASSWORD,
                "WATCHDOG_DATA_DIR": str(self.folder),
                "WATCHDOG_SILENT_S": str(silent_s),
                "WATCHDOG_PROBE_EVERY_S": str(probe_every_s),
                "WATCHDOG_REPEAT_S": str(repeat_s),
            }
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [console_script("linli-hub"), "watchdog", "--verbose"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)


def silent_edges(at: Stage, rng: Random, *, quiet_s: float = 0) -> dict[str, float]:
    """Silence four edges at once, each in its way; return after how many seconds an alert of each was there.

    Before that nobody is accused for `quiet_s`.
    """
    names = [f"pi-{number}" for number in range(1, len(FAULTS) + 1)]
    _register(at, names)
    with ExitStack() as stack:
        holes = {
            "black hole": stack.enter_context(BlackHole(at.broker.port)),
            "black hole for SOS alone": stack.enter_context(BlackHole(at.broker.port, only=b".sos")),
        }
        agents = {
            fault: stack.enter_context(_agent(at, name, holes[fault].port if fault in holes else at.broker.port))
            for name, fault in zip(names, FAULTS, strict=True)
        }
        until(lambda: _are_online(at, names), "every edge is online", within_s=60, every_s=0.3)
        time.sleep(quiet_s + rng.uniform(0, 5))  # anywhere between two hellos
        assert at.offline() == {}
        began_s = time.monotonic()
        os.kill(agents["frozen"].pid, signal.SIGSTOP)
        agents["killed"].kill()
        for hole in holes.values():
            hole.swallowing.set()
        told: dict[str, float] = {}
        try:
            while len(told) < len(FAULTS) and time.monotonic() - began_s < 2 * AFTER_S:
                found = at.offline()
                for name, fault in zip(names, FAULTS, strict=True):
                    if f"{SITE}.{name}" in found:
                        told.setdefault(fault, round(time.monotonic() - began_s, 2))
                time.sleep(0.1)
        finally:
            os.kill(agents["frozen"].pid, signal.SIGCONT)
    return told


def silent_hub(at: Stage, listener: Listener) -> dict[str, float]:
    """Freeze the hub; return after how many seconds people were told, and after how many that it is over."""
    before = len(listener.heard)
    os.kill(at.hub.pid, signal.SIGSTOP)
    try:
        told_s = until(lambda: len(listener.heard) > before, "told of the frozen hub", within_s=4 * SILENT_S)
    finally:
        os.kill(at.hub.pid, signal.SIGCONT)
    over_s = until(lambda: len(listener.heard) > before + 1, "told that it is over", within_s=60)
    return {"told_s": round(told_s, 2), "over_s": round(over_s, 2)}


def silent_broker(at: Stage, listener: Listener) -> dict[str, float]:
    """Kill the broker, which ends the way for SOS; and start it again."""
    before, port = len(listener.heard), at.broker.port
    at.broker.kill()
    try:
        told_s = until(lambda: len(listener.heard) > before, "told of the dead broker", within_s=4 * SILENT_S)
    finally:
        at.broker.restart()
    assert at.broker.port == port
    over_s = until(lambda: len(listener.heard) > before + 1, "told that it is over", within_s=60)
    return {"told_s": round(told_s, 2), "over_s": round(over_s, 2)}


def run(seed: int, *, full: bool) -> dict[str, Any]:
    """Measure; `full` repeats each silence."""
    rng, rounds = Random(seed), 5 if full else 1
    figures: dict[str, Any] = {"seed": seed, "rounds": rounds}
    with TemporaryDirectory(prefix="linli-liveness-") as folder, Listener() as listener:
        edges: dict[str, list[float]] = {fault: [] for fault in FAULTS}
        hub: list[dict[str, float]] = []
        broker: list[dict[str, float]] = []
        for number in range(rounds):
            with stage(Path(folder) / str(number)) as at:
                for fault, told_s in silent_edges(at, rng, quiet_s=SOS_AFTER_S + 5 if full else 0).items():
                    edges[fault].append(told_s)
                with WatchdogProcess(at, listener):
                    until(lambda at=at: at.probes() >= 2, "test presses come through", within_s=60)
                    hub.append(silent_hub(at, listener))
                    broker.append(silent_broker(at, listener))
                figures["alerts_by_test_presses"] = len(at.rest.get("alerts", site="linli-watchdog")["items"])
    by_default = worst(seed, times=200 if full else 20)
    beyond_s = max(0.0, max(max(told) for told in edges.values()) - SOS_AFTER_S)
    watched_s = max(0.0, max(one["told_s"] for one in (*hub, *broker)) - SILENT_S)
    edge_s, lane_s, hub_s, chain_s = (by_default[name] or float("inf") for name in by_default)
    return {
        **figures,
        "edge_silent_told_s": edges,
        "edge_patience_s": SOS_AFTER_S,
        "edge_told_by_default_s": round(max(edge_s, lane_s) + beyond_s, 2),
        "hub_frozen": hub,
        "broker_killed": broker,
        "watchdog_patience_s": SILENT_S,
        "hub_told_by_default_s": round(max(hub_s, chain_s) + watched_s, 2),
        "timelines_worst_s": by_default,
        "control": control(seed),
        "goal": {"edge_s": 90, "hub_s": 60},
    }


def _register(at: Stage, names: list[str]) -> None:
    rest = at.rest
    rest.post("sites", {"slug": SITE, "name": SITE, "time_zone": "UTC", "location": {"lat": 31.2, "lon": 121.5}})
    rest.put("rules/nodeOffline", {"scope": SITE, "parameters": {"after_s": AFTER_S, "sos_after_s": SOS_AFTER_S}})
    for name in names:
        rest.post("nodes", {"site": SITE, "slug": name, "name": name})


@contextmanager
def _agent(at: Stage, name: str, port: int) -> Generator[AgentProcess]:
    folder = at.folder / name
    folder.mkdir()
    granted = at.rest.post(f"nodes/{SITE}.{name}/credentials", {})
    (folder / "password").write_text(f"{granted['password']}\n")
    (folder / "edge.toml").write_text(
        f'site = "{SITE}"\nnode = "{name}"\ndata_dir = "data"\n'
        f'broker = {{url = "mqtt://127.0.0.1:{port}", password_file = "password"}}\n'
    )
    with AgentProcess(folder) as agent:
        yield agent


def _are_online(at: Stage, names: list[str]) -> bool:
    items = at.rest.get("nodes", site=SITE)["items"]
    return {item["slug"] for item in items if item["state"] == "online"} >= set(names)


if __name__ == "__main__":
    import json

    print(json.dumps(run(int(sys.argv[1]), full="--full" in sys.argv), indent=1))
