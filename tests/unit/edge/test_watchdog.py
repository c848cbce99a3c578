from collections.abc import Generator
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket

import pytest

from edge.watchdog import Watchdog


@pytest.fixture
def manager(tmp_path: Path) -> Generator[socket]:
    with socket(AF_UNIX, SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def heard(manager: socket) -> list[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(manager.recv(100).decode())
        except BlockingIOError:
            return lines


def test_systemd_is_fed_three_times_within_its_patience(manager: socket) -> None:
    watchdog = Watchdog({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000"})
    watchdog.ready()
    for at_ms in range(0, 30_000, 1_000):
        watchdog.feed(at_ms=at_ms)
    watchdog.stopping()
    assert heard(manager) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_service_manager_nothing_is_said(manager: socket) -> None:
    watchdog = Watchdog({})
    watchdog.ready()
    watchdog.feed(at_ms=0)
    gone = Watchdog({"NOTIFY_SOCKET": manager.getsockname() + ".gone", "WATCHDOG_USEC": "1000000"})
    gone.feed(at_ms=0)
    assert heard(manager) == []
