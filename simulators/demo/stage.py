"""What the demo runs: a broker and a hub as child processes on loopback, with throw-away data."""

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from simulators.servers.errors import PortTaken, ServerFailed
from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.server import Launch, Server

USUAL_PORT: Final = 8080
_READY_WITHIN_S: Final = 90.0
_ASK_EVERY_S: Final = 0.1


class HubServer(Server):
    """`linli-hub serve` on loopback; leaving the `with` block stops it."""

    scheme = "http"

    def __init__(
        self, directory: Path, *, broker: Server, admin_password: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """`settings` are further names of the environment, such as LINLI_CLOCK."""
        super().__init__(directory)
        self._broker = broker
        self._admin_password = admin_password
        self._settings = settings or {}

    def launch_on_usual_port(self) -> "HubServer":
        """Start on 8080 if that is free, else on a free port."""
        try:
            return self.launch(USUAL_PORT)
        except PortTaken:
            return self.launch()

    def configure(self, port: int) -> Launch:
        ours = {
            "LINLI_DATA_DIR": str(self.directory / "data"),
            "LINLI_HTTP_HOST": "127.0.0.1",
            "LINLI_HTTP_PORT": str(port),
            "LINLI_ADMIN_PASSWORD": self._admin_password,
            **broker_settings(self._broker),
            **self._settings,
        }
        foreign = [name for name in os.environ if name.startswith("LINLI_") and name not in ours]
        forget = [argument for name in foreign for argument in ("-u", name)]
        return Launch(["env", *forget, sys.executable, "-m", "hub", "serve"], ours)

    def await_answer(self) -> None:
        """Return when the stores commit and the broker is connected."""
        pause = threading.Event()
        said = "no answer"
        with httpx2.Client(base_url=self.url, timeout=2.0) as http:
            for _ in range(round(_READY_WITHIN_S / _ASK_EVERY_S)):
                if not self.running:
                    break
                try:
                    response = http.get("/readyz")
                except httpx2.HTTPError as error:
                    said = str(error)
                else:
                    if response.is_success:
                        return
                    said = response.text
                pause.wait(_ASK_EVERY_S)
        raise ServerFailed(f"the hub is not ready: {said}\n{self.last_words()}")

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://127.0.0.1:{self.port}"


def broker_settings(broker: Server) -> dict[str, str]:
    """Return what the hub must know of its broker: mosquitto keeps identities, the embedded one has none."""
    if isinstance(broker, MosquittoServer):
        return {"LINLI_MQTT_URL": broker.admin_url, "LINLI_BROKER_ADMIN": "dynsec"}
    return {"LINLI_MQTT_URL": broker.url, "LINLI_BROKER_ADMIN": "none", "LINLI_MQTT_VERSION": "5"}
