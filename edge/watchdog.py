"""Telling systemd that the agent is alive; the socket is a datagram with one line per fact."""

import os
from collections.abc import Mapping
from contextlib import suppress
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import Final

SHARE: Final = 3
"""The watchdog is fed this often within the time systemd allows."""


class Watchdog:
    """Feeds systemd's watchdog; does nothing where no service manager listens."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        allowed_us = environment.get("WATCHDOG_USEC", "")
        self._every_ms = int(allowed_us) // 1_000 // SHARE if allowed_us.isdigit() else None
        self._fed_ms: int | None = None

    def ready(self) -> None:
        """The agent has started."""
        self._notify("READY=1")

    def stopping(self) -> None:
        """The agent ends because it was asked to."""
        self._notify("STOPPING=1")

    def feed(self, *, at_ms: int) -> None:
        """All parts made progress; tell it when it is time to."""
        if self._every_ms is None or (self._fed_ms is not None and at_ms - self._fed_ms < self._every_ms):
            return
        self._fed_ms = at_ms
        self._notify("WATCHDOG=1")

    def _notify(self, line: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket(AF_UNIX, SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.sendall(line.encode())
