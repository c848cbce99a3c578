"""A real hub on a real broker with one registered node, seen through REST only."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import metrics
from tests.integration.edge.agent_process import wait_until

PASSWORD = "adminpassword1"

on_every_database = pytest.mark.parametrize(
    "demo", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""A test with `demo`, once with a hub on each database."""


class Neighbourhood:
    """`linli-hub serve` with site `demo`, node `pi-1`, a bin and a wristband; killed and started again by its pid."""

    def __init__(self, folder: Path, broker: MosquittoServer, *, database_url: str | None = None) -> None:
        self.folder = folder
        self.broker = broker
        self.database_url = database_url
        self.url = ""
        self._token = ""
        self._hub: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start_hub()
        self.post(
            "sites", slug="demo", name="示范小区", time_zone="Asia/Shanghai", location={"lat": 31.2, "lon": 121.5}
        )
        self.post("grids", site="demo", slug="g1", name="一号网格")
        self.post("facilities", site="demo", slug="bin-42", kind="bin", name="bin", grid="demo.g1")
        self.post("facilities", site="demo", slug="band-7", kind="wristband", name="band", grid="demo.g1")
        self.post("nodes", site="demo", slug="pi-1", name="node")
        for slug, kind, facility in (("bin-42-us", "fill_level", "bin-42"), ("band-07", "vitals", "band-7")):
            self.post(
                "devices",
                site="demo",
                slug=slug,
                kind=kind,
                facility=f"demo.{facility}",
                node="demo.pi-1",
                expected_interval_s=3600,
            )
        self.password = self.post("nodes/demo.pi-1/credentials")["password"]
        return self

    def __exit__(self, *_: object) -> None:
        if self._hub is not None and self._hub.poll() is None:
            try:
                residual = metrics(self.url).get(("linli_conservation_residual", ()))
            finally:
                self._hub.send_signal(signal.SIGTERM)
                try:
                    self._hub.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    self.kill_hub()
            assert residual == 0, f"the hub's books do not balance: the conservation residual is {residual}"

    def start_hub(self) -> None:
        """Start the hub and sign in."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LINLI_")}
        environment |= {
            "LINLI_MQTT_URL": self.broker.admin_url,
            "LINLI_DATA_DIR": str(self.folder / "hub"),
            "LINLI_HTTP_PORT": "0",
            "LINLI_ADMIN_PASSWORD": PASSWORD,
        }
        if self.database_url is not None:
            environment["LINLI_DATABASE_URL"] = self.database_url
        said = self.folder / "hub.out"
        with said.open("wb") as out, (self.folder / "hub.log").open("ab") as log:
            self._hub = subprocess.Popen(
                [sys.executable, "-m", "hub", "serve"], env=environment, stdout=out, stderr=log
            )
        wait_until(lambda: "SERVING " in said.read_text(), "the hub serves", within_s=60)
        self.url = said.read_text().partition("SERVING ")[2].split()[0]
        answer = httpx2.post(
            f"{self.url}/api/v1/auth/token", data={"username": "admin", "password": PASSWORD}, timeout=30
        )
        self._token = answer.json()["access_token"]

    def kill_hub(self) -> None:
        """SIGKILL."""
        assert self._hub is not None
        self._hub.kill()
        self._hub.wait()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST, which must go well."""
        answer = httpx2.post(f"{self.url}/api/v1/{path}", json=body, headers=self._headers(), timeout=30)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def put(self, path: str, **body: Any) -> dict[str, Any]:
        """PUT, which must go well."""
        answer = httpx2.put(f"{self.url}/api/v1/{path}", json=body, headers=self._headers(), timeout=30)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        """GET, which must go well."""
        answer = httpx2.get(f"{self.url}/api/v1/{path}", params=query, headers=self._headers(), timeout=30)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def lane(self, name: str) -> dict[str, Any]:
        """The hub's book of the node's open lane, or zeros while it has none."""
        lanes: list[dict[str, Any]] = [
            lane for lane in self.get("nodes/demo.pi-1/lanes")["items"] if lane["lane"] == name
        ]
        return lanes[0] if lanes else {"high_water": 0, "stored": 0}

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}
