"""A server as a child: proved to be the listener, and gone when we are."""

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from simulators.servers.errors import PortTaken, ServerFailed
from simulators.servers.process import Child, free_port, listening_inodes

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
PARENT = """
import os, sys
from pathlib import Path
from simulators.servers.process import Child, free_port
port = free_port()
child = Child.start([sys.executable, "-c", sys.argv[2], str(port)], port=port, directory=Path(sys.argv[1]))
print(child.pid, port, flush=True)
os.kill(os.getpid(), 9)
"""


def listener(tmp_path: Path, port: int) -> Child:
    return Child.start([sys.executable, "-c", LISTEN, str(port)], port=port, directory=tmp_path)


def test_stopping_frees_the_port_and_may_be_repeated(tmp_path: Path) -> None:
    child = listener(tmp_path, free_port())
    assert listening_inodes(child.port)
    child.stop()
    child.stop()
    child.kill()
    assert not child.running
    assert not listening_inodes(child.port)


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such setting: colour')"]
    with pytest.raises(ServerFailed, match=r"ended with code 1 before it listened\n.*no such setting: colour"):
        Child.start(command, port=free_port(), directory=tmp_path)


def test_a_server_that_never_listens_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ServerFailed, match="nobody listens on port"):
        Child.start(command, port=free_port(), directory=tmp_path, wait_s=0.3)


def test_a_port_that_another_process_holds_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Once a whole suite was green against somebody else's broker."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with pytest.raises(PortTaken):
            Child.start(command, port=other.getsockname()[1], directory=tmp_path, wait_s=0.3)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux has no setpriv here")
def test_a_server_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), LISTEN]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout.split()
    port = int(said[1])
    pause = threading.Event()
    for _ in range(100):
        if not listening_inodes(port):
            return
        pause.wait(0.05)
    pytest.fail(f"child {said[0]} still listens on {port}")
