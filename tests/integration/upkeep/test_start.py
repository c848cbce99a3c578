"""A hub stops when asked, while it waits for its broker and while it serves; its books are read as they stand."""

import ctypes
import json
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.process import free_port
from tests.integration.upkeep.hub_command import serve

OPEN = {"BROKER_ADMIN": "none"}


def waited_for(log: Path, words: str, *, within_s: float = 40) -> None:
    until = time.monotonic() + within_s
    while words not in log.read_text():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def events(log: Path) -> list[str]:
    """Return the events of a log, whose every line must be one, but for what is printed."""
    lines = [line for line in log.read_text().splitlines() if not line.startswith(("SERVING ", "ADMIN "))]
    read = [json.loads(line) for line in lines]
    assert all({"at", "level", "event"} <= set(line) for line in read)
    return [line["event"] for line in read]


@pytest.mark.parametrize(
    ("scheme", "listens", "said"),
    [
        ("mqtt", False, "connection refused: nothing listens"),
        ("mqtts", True, '"reason": "TLS: '),
    ],
)
def test_sigterm_ends_a_start_that_waits_for_the_broker(tmp_path: Path, scheme: str, listens: bool, said: str) -> None:
    with socket.socket() as listener:
        port = free_port()
        if listens:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        settings = {
            "DATA_DIR": str(tmp_path / "data"),
            "HTTP_PORT": "0",
            "MQTT_URL": f"{scheme}://admin:secret@127.0.0.1:{port}",
            "BROKER_ADMIN": "dynsec",
        }
        log = tmp_path / "log"
        hub = serve(settings, log)
        try:
            if listens:
                listener.settimeout(40)
                answered, _ = listener.accept()
                answered.sendall(b"\x20\x02\x00\x00 this is no TLS")
                answered.close()
            waited_for(log, said)
            hub.terminate()
            assert hub.wait(30) == 0, log.read_text()
        finally:
            hub.kill()
            hub.wait()
    assert set(events(log)) <= {"dynsec.not_connected", "dynsec.waiting"}
    assert "secret" not in log.read_text()


@pytest.mark.mosquitto
def test_sigterm_ends_a_hub_whichever_of_its_threads_the_kernel_hands_it_to(
    tmp_path: Path, mosquitto_anonymous: MosquittoServer
) -> None:
    log = tmp_path / "log"
    hub = serve(
        {"DATA_DIR": str(tmp_path / "data"), "HTTP_PORT": "0", "MQTT_URL": mosquitto_anonymous.url, **OPEN}, log
    )
    try:
        waited_for(log, "SERVING")
        others = [int(task.name) for task in Path(f"/proc/{hub.pid}/task").iterdir() if int(task.name) != hub.pid]
        assert ctypes.CDLL(None, use_errno=True).tgkill(hub.pid, max(others), signal.SIGTERM) == 0
        assert hub.wait(10) == 0, log.read_text()
        assert sorted(events(log)) == ["hub.serving", "hub.stopping", "mqtt.listening", "mqtt.listening"]
    finally:
        hub.kill()
        hub.wait()


@pytest.mark.mosquitto
def test_books_that_do_not_add_up_are_told_by_the_metric(tmp_path: Path, mosquitto_anonymous: MosquittoServer) -> None:
    log, port = tmp_path / "log", free_port()
    settings = {"DATA_DIR": str(tmp_path / "data"), "HTTP_PORT": str(port), "MQTT_URL": mosquitto_anonymous.url, **OPEN}
    hub = serve(settings, log)
    try:
        waited_for(log, "SERVING")
        assert residual(port) == 0
        with closing(sqlite3.connect(tmp_path / "data" / "state.db", timeout=10)) as state:
            for lane, stored in (("event", 6), ("telemetry", 4)):
                state.execute(
                    "INSERT INTO lanes (site, node, epoch, lane, high_water, stored, quarantined, gaps, duplicates,"
                    " left_out) VALUES ('s', 'n', '0123456789abcdef', ?, 5, ?, 0, 0, 0, 0)",
                    (lane, stored),
                )
            state.commit()
        assert residual(port) == 2
    finally:
        hub.kill()
        hub.wait()


def residual(port: int) -> float:
    said = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    (line,) = [line for line in said.splitlines() if line.startswith("linli_conservation_residual ")]
    return float(line.split()[1])
