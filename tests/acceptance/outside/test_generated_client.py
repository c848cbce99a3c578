"""A client made of docs/openapi.json by openapi-python-client works against a real hub."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.hub_process import ADMIN, Hub

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / ".cache" / "client" / "bin"
PROGRAM = Path(__file__).with_name("generated_client.py")

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(300)]


@pytest.fixture
def hub(mosquitto_anonymous: MosquittoServer, fresh_dir: Path) -> Iterator[Hub]:
    started = Hub(data_dir=fresh_dir, mqtt_url=mosquitto_anonymous.url, broker_admin="none").start()
    yield started
    assert started.stop() == 0, started.tail()


@pytest.mark.skipif(not (TOOLS / "openapi-python-client").exists(), reason="openapi-python-client: run make client")
def test_a_generated_client_signs_in_creates_lists_and_reads_a_problem(hub: Hub, tmp_path: Path) -> None:
    generate = [TOOLS / "openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"]
    path = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    made = subprocess.run(
        [*generate, "--path", ROOT / "docs" / "openapi.json", "--output-path", tmp_path / "linli_client"],
        env=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    ran = subprocess.run(
        [TOOLS / "python", PROGRAM, hub.url, *ADMIN],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "created": ["generated.bin-1", 1, "一号桶"],
        "listed": ["generated.bin-1"],
        "again": "conflict",
    }
