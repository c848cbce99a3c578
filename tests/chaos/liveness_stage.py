"""What liveness is tried on: a broker and a hub seen through REST, agents, and the watchdog as a process of its own."""

import json
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.hub_process import ADMIN, Hub, clean_environment, console_script
from tests.chaos.listener import Listener
from tests.integration.edge.agent_process import AgentProcess

PROBE_PASSWORD: Final = "probe-0123456789abcdef0123456789abcdef"
SITE: Final = "demo"
SILENT_S: Final = 5.0
"""The watchdog's patience."""
PROBE_EVERY_S: Final = 2.0
BATTERY: Final = (26, 23, 19, 18)
"""Per cent that a battery tells one second after another, from the start of its agent on."""


@dataclass(slots=True)
class Stage:
    """A broker and a hub, seen through REST."""

    folder: Path
    broker: MosquittoServer
    hub: Hub
    rest: Rest

    def probes(self) -> float:
        """How many test presses were committed since the hub's start."""
        return metric(self.hub.url, "linli_probes_total")

    def offline(self) -> dict[str, dict[str, Any]]:
        """The alerts of silent nodes that are firing, by node."""
        return {alert["node"]: alert for alert in self.firing("nodeOffline")}

    def firing(self, fault_code: str) -> list[dict[str, Any]]:
        """The alerts of this fault that are firing."""
        found = self.rest.get("alerts", site=SITE, fault_code=fault_code)["items"]
        return [alert for alert in found if alert["state"] == "firing"]

    def online(self) -> set[str]:
        """The nodes that are said to be online."""
        return {item["slug"] for item in self.rest.get("nodes", site=SITE)["items"] if item["state"] == "online"}


@contextmanager
def stage(folder: Path) -> Generator[Stage]:
    """A fresh broker and hub whose watchdog may send test presses."""
    with MosquittoServer.start(folder / "broker") as broker:
        hub = Hub(folder / "hub", broker.admin_url, extra={"PROBE_PASSWORD": PROBE_PASSWORD}).start()
        rest = Rest(hub.url).login(*ADMIN)
        try:
            yield Stage(folder, broker, hub, rest)
            hub.check_books()
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

    def starts(self) -> int:
        """How often it has begun to watch, by its own log."""
        return self.log.read_text().count("watchdog.watching")

    def letters(self) -> list[object]:
        """What it still has to tell."""
        return json.loads((self.folder / "watchdog.json").read_text())["letters"]


@contextmanager
def an_agent(at: Stage, name: str, port: int) -> Generator[AgentProcess]:
    """The real agent of a node, whose one sensor has a battery that runs down."""
    folder = at.folder / name
    folder.mkdir()
    granted = at.rest.post(f"nodes/{SITE}.{name}/credentials", {})
    (folder / "password").write_text(f"{granted['password']}\n")
    levels = "".join(f"{second},10,{percent}\n" for second, percent in enumerate(BATTERY))
    (folder / "bin.csv").write_text("after_s,fill_percent,battery_percent\n" + levels)
    (folder / "edge.toml").write_text(
        f'site = "{SITE}"\nnode = "{name}"\ndata_dir = "data"\n'
        f'broker = {{url = "mqtt://127.0.0.1:{port}", password_file = "password"}}\n'
        f'[[devices]]\nslug = "{name}-us"\ndriver = "fake"\nkind = "fill_level"\ninterval_s = 0.5\n'
        'options = {script = "bin.csv"}\n'
    )
    with AgentProcess(folder) as agent:
        yield agent
