"""The bell of the event stream: commits happen in threads, listeners wait in the event loop."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock


class Bell:
    """What one listener waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to the listener's loop."""
        self._loop = loop
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the listener; from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, timeout_s: float) -> None:
        """Return when it has rung since the last return, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


class Wake:
    """All listeners of the stream."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._lock = Lock()
        self._bells: set[Bell] = set()
        self.closed = False

    def notify(self, _events: object = None) -> None:
        """Something was committed."""
        with self._lock:
            bells = list(self._bells)
        for bell in bells:
            bell.ring()

    def close(self) -> None:
        """Let every listener end; none begins any more."""
        self.closed = True
        self.notify()

    @contextmanager
    def listening(self) -> Generator[Bell]:
        """Listen, in the running event loop."""
        bell = Bell(asyncio.get_running_loop())
        with self._lock:
            self._bells.add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                self._bells.discard(bell)
