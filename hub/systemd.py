"""Telling systemd when the hub serves and when it stops: a datagram a fact, nothing where none listens."""

import os
from collections.abc import Mapping
from contextlib import suppress
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import Final

TELL_WITHIN_S: Final = 1.0
"""A manager that takes nothing must not keep the hub waiting."""


class ServiceManager:
    """The service manager that started this process, if one did (`Type=notify`)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watches = bool(environment.get("WATCHDOG_USEC"))

    def ready(self) -> None:
        """Tell that the hub serves: stores open, broker connected, address bound."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Tell a manager that watches this process (`WatchdogSec=`) that it moves; it is to be told again and again."""
        if self._watches:
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the hub ends because it was asked to."""
        self._tell("STOPPING=1")

    def _tell(self, line: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A manager that has gone away is no reason to end: the hub serves either way.
        with suppress(OSError), socket(AF_UNIX, SOCK_DGRAM) as sender:
            sender.settimeout(TELL_WITHIN_S)
            sender.connect(address)
            sender.sendall(line.encode())
