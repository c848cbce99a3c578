from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket

import pytest

from hub.systemd import ServiceManager


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


def test_the_service_manager_hears_when_the_hub_serves_and_when_it_stops(manager: socket) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    told.ready()
    told.stopping()
    assert heard(manager) == ["READY=1", "STOPPING=1"]


def test_a_manager_that_watches_hears_that_the_hub_moves(manager: socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname()}
    ServiceManager(environment).alive()
    assert heard(manager) == []
    ServiceManager({**environment, "WATCHDOG_USEC": "60000000"}).alive()
    assert heard(manager) == ["WATCHDOG=1"]


def test_an_address_in_the_abstract_namespace_is_reached() -> None:
    with socket(AF_UNIX, SOCK_DGRAM) as listener:
        listener.bind("")
        listener.setblocking(False)
        name: bytes = listener.getsockname()
        ServiceManager({"NOTIFY_SOCKET": "@" + name[1:].decode()}).ready()
        assert heard(listener) == ["READY=1"]


def test_a_manager_that_takes_nothing_does_not_keep_the_hub_waiting_for_ever(manager: socket) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1"})
    with socket(AF_UNIX, SOCK_DGRAM) as filler:
        filler.setblocking(False)
        filler.connect(manager.getsockname())
        with suppress(BlockingIOError):
            while True:
                filler.send(b"full")
    told.alive()
    assert "WATCHDOG=1" not in heard(manager)


def test_without_a_service_manager_nothing_is_said(manager: socket) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": manager.getsockname() + ".gone"}).ready()
    assert heard(manager) == []
