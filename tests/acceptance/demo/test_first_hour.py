"""The commands of docs/first-hour.md, in their order, in a shell of their own, before a real hub and broker."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.demo.stage import HubServer
from simulators.servers.mosquitto import MosquittoServer

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(240)]
PAGE = Path(__file__).parents[3] / "docs" / "first-hour.md"
PASSWORD = "first-hour-of-admin"
RECEIVER_PORT = "9099"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    if shutil.which("curl") is None:
        pytest.skip("curl is what the page's commands call")
    with MosquittoServer.start(tmp_path / "broker") as broker:
        server = HubServer(tmp_path / "hub", broker=broker, admin_password=PASSWORD)
        with server.launch() as running:
            yield running


def shell_of(page: str) -> str:
    """Return what a reader types: the blocks of shell, the receiver in its file."""
    first, *others = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (receiver,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return "\n".join(["set -eu", first, f"cat > receive.py <<'PYTHON'\n{receiver}PYTHON", *others])


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def test_every_command_of_the_first_hour_does_what_the_page_says(hub: HubServer, tmp_path: Path) -> None:
    script = shell_of(PAGE.read_text("utf-8")).replace(RECEIVER_PORT, free_port())
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HUB": hub.url,
        "PASSWORD": PASSWORD,
        "TMPDIR": str(tmp_path),
    }
    told = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert told.returncode == 0, told.stderr
    assert '"reason":"proof_by_sensor"' in told.stdout
    called = re.findall(r"^called \S+ (\S+)$", told.stdout, re.MULTILINE)
    assert sorted(called) == ["alert.fired", "work_order.assigned"]
    assert '"parameters":{"enter_percent":75,' in told.stdout
    assert re.search(r"^event: \w+$", told.stdout, re.MULTILINE)
    assert re.search(r"^produced \d+ = stored \d+", told.stdout, re.MULTILINE)
