"""The HTTP server: uvicorn in a thread of its own, on a socket that was bound before anything else was promised."""

import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI

from hub.errors import HubError

STOP_WITHIN_S: Final = 5


def bind(host: str, port: int) -> socket.socket:
    """Return a listening address; raises HubError in one line where it is taken or cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio has answers leave at once only where the protocol is named; else each waits 40 ms for TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"LINLI_HTTP_PORT: {host}:{port} cannot be used: {error.strerror}"
        raise HubError(message) from None
    return listener


class Server:
    """Serves an application until it is stopped."""

    def __init__(self, application: FastAPI, listener: socket.socket) -> None:
        """Take an application and a bound socket."""
        self._listener = listener
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=STOP_WITHIN_S
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way and close; idempotent."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])
