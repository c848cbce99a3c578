"""The HTTP server: uvicorn in a thread of its own, on a socket that was bound before anything else was promised."""

import socket
import threading
from typing import Final

import uvicorn
from starlette.types import ASGIApp

STOP_WITHIN_S: Final = 5


class Server:
    """Serves an application until it is stopped."""

    def __init__(self, application: ASGIApp, listener: socket.socket) -> None:
        """Take an application and a bound socket."""
        self._listener = listener
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=STOP_WITHIN_S
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to serve: who connects from now on is not refused, and is answered once the thread runs."""
        self._listener.listen(self._server.config.backlog)
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way and close; idempotent."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])
