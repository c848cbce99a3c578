"""The whole server without its containers: the hub with compose's own environment, on real broker and stores."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import Any

import httpx2
import pytest

from simulators.servers.influxd import InfluxServer
from simulators.servers.process import LOOPBACK, free_port
from tests.integration.docker.dockerfile import parse_dockerfile
from tests.integration.docker.shipped import DOCKER, hub_environment
from tests.integration.docker.shipped_broker import ShippedBroker

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxd, pytest.mark.postgres]
BUCKET = "shipped"
SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub that told its service manager that it is ready."""

    process: subprocess.Popen[bytes]
    manager: socket
    environment: dict[str, str]
    url: str

    def healthy(self) -> bool:
        """Whether the image's own health check holds."""
        health = parse_dockerfile(DOCKER / "hub.Dockerfile")["hub"].last("HEALTHCHECK")
        assert health is not None
        (code,) = re.findall(r'CMD \["python", "-c", "(.*)"\]$', health.arguments)
        check = [sys.executable, "-c", code]
        return subprocess.run(check, env=self.environment, check=False, capture_output=True).returncode == 0

    def said(self) -> list[bytes]:
        """What it told its service manager since this was asked last, waiting for some of it."""
        heard = [self.manager.recv(100)]
        self.manager.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                heard.append(self.manager.recv(100))
        self.manager.settimeout(60)
        return heard

    def stop(self) -> int:
        """End it as a service manager does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def hub(
    tmp_path: Path, secrets_folder: Path, shipped_broker: ShippedBroker, influx: InfluxServer, postgres_url: str
) -> Generator[RunningHub]:
    """The hub as compose.yaml configures it; only addresses and folders are this machine's."""
    influx.create_database(BUCKET)
    broker = secrets_folder / "mqtt_url"
    address = broker.read_text(encoding="utf-8")
    assert "@mosquitto:8883" in address
    broker.write_text(address.replace("@mosquitto:8883", f"@{LOOPBACK}:{shipped_broker.port}"), encoding="utf-8")
    (secrets_folder / "database_url").write_text(postgres_url, encoding="utf-8")
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LINLI_")},
        **hub_environment(secrets_folder),
        "LINLI_DATA_DIR": str(tmp_path / "hub"),
        "LINLI_HTTP_HOST": LOOPBACK,
        "LINLI_HTTP_PORT": str(port),
        "LINLI_INFLUX_URL": influx.url,
        "LINLI_INFLUX_BUCKET": BUCKET,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "60000000",
    }
    with socket(AF_UNIX, SOCK_DGRAM) as manager, (tmp_path / "hub.log").open("wb") as log:
        manager.bind(environment["NOTIFY_SOCKET"])
        manager.settimeout(60)
        command = [str(SCRIPTS / "linli-hub"), "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            assert manager.recv(100) == b"READY=1", (tmp_path / "hub.log").read_text(encoding="utf-8")
            yield RunningHub(process, manager, environment, f"http://{LOOPBACK}:{port}")
        finally:
            process.kill()
            process.wait()


def test_the_hub_of_compose_serves_on_its_real_neighbours(
    hub: RunningHub, shipped_broker: ShippedBroker, influx: InfluxServer
) -> None:
    assert hub.healthy()
    with httpx2.Client(base_url=hub.url, trust_env=False) as client:
        ready: dict[str, Any] = client.get("/readyz").json()
        assert {name: part["status"] for name, part in ready["parts"].items()} == dict.fromkeys(
            ("state", "telemetry", "broker", "progress", "influxdb"), "ok"
        )
        password = Path(hub.environment["LINLI_ADMIN_PASSWORD_FILE"]).read_text(encoding="utf-8").strip()
        form = {"username": "admin", "password": password}
        token: str = client.post("/api/v1/auth/token", data=form).json()["access_token"]

    play_fleet(hub, token, broker=shipped_broker)
    (row,) = influx.query('SELECT count("fill_percent") AS "stored" FROM "fill_level"', database=BUCKET)
    assert row["stored"] > 0

    with httpx2.Client(base_url=hub.url, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        (node,) = client.get("/api/v1/nodes").json()["items"]
        granted = client.post(f"/api/v1/nodes/{node['id']}/credentials", json={}).json()
    assert granted["broker_url"] == hub.environment["LINLI_BROKER_URL"]

    assert set(hub.said()) == {b"WATCHDOG=1"}  # its loops move
    assert hub.stop() == 0
    assert hub.said()[-1] == b"STOPPING=1"
    assert not hub.healthy()


def play_fleet(hub: RunningHub, token: str, *, broker: ShippedBroker) -> None:
    """Run a small community as compose.simulation.yaml does; it fails where the hub has not kept all of it."""
    options = ["--hub", hub.url, "--broker", broker.url, "--nodes", "1", "--seed", "7", "--speed", "600"]
    done = subprocess.run(
        [str(SCRIPTS / "linli-sim"), "fleet", *options, "--duration", "5"],
        env={**os.environ, "LINLI_TOKEN": token, "SSL_CERT_FILE": str(broker.authority)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
