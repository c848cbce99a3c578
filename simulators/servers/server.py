"""What every real server here is: one child process on one loopback port, with its files in one folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from simulators.servers.errors import PortTaken, ServerFailed
from simulators.servers.process import LOOPBACK, Child, free_port

_PORT_TRIES = 5


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server: its command, what it needs in the environment, and the user it gives up root for."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str | None = None


class Server(ABC):
    """A server that listens on 127.0.0.1 while its `with` block runs; constructing one starts nothing."""

    scheme: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._child: Child | None = None
        self._port: int | None = None

    @abstractmethod
    def configure(self, port: int) -> Launch:
        """Write the configuration for that port and return how to start."""

    def await_answer(self) -> None:  # noqa: B027 - most servers answer as soon as they listen
        """Return when the server answers, for those that listen earlier than that."""

    def launch(self, port: int | None = None) -> Self:
        """Start on the port given, else on a free one; ServerFailed when it does not come up."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _PORT_TRIES + 1):
            try:
                return self._launch(port or free_port())
            except PortTaken:
                if port is not None or attempt == _PORT_TRIES:
                    raise
        raise AssertionError

    @property
    def url(self) -> str:
        """The address without credentials."""
        return f"{self.scheme}://{LOOPBACK}:{self.port}"

    @property
    def port(self) -> int:
        if self._port is None:
            raise ServerFailed(f"{type(self).__name__} was never started")
        return self._port

    @property
    def pid(self) -> int:
        return self._running_child().pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def log(self) -> Path:
        """Where the server's own output goes."""
        return self._running_child().log

    def stop(self) -> None:
        """End the server in order; idempotent."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL); idempotent."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """Start again on the same port with the same files, after `stop`, `kill` or while running."""
        self.stop()
        self._launch(self.port)

    def last_words(self) -> str:
        """Return the end of the server's own output."""
        return self._running_child().last_words()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, port: int) -> Self:
        launch = self.configure(port)
        self._child = Child.start(
            launch.command, port=port, directory=self.directory, environment=launch.environment, user=launch.user
        )
        self._port = port
        try:
            self.await_answer()
        except BaseException:
            self.kill()
            raise
        return self

    def _running_child(self) -> Child:
        if self._child is None:
            raise ServerFailed(f"{type(self).__name__} was never started")
        return self._child
