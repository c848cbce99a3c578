"""Where the watchdog tells people in trials: a webhook of apprise (`json://`) that notes when it was told what."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Listener:
    """A web server on loopback; `refusing` makes it answer 503."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, str]] = []
        """Monotonic second, title, text."""
        self.refusing = False
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not listener.refusing:
                    listener.heard.append((time.monotonic(), body["title"], body["message"]))
                self.send_response(503 if listener.refusing else 200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="listener", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """The address in apprise's notation."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.heard]


def until(condition: Callable[[], bool], what: str, *, within_s: float, every_s: float = 0.05) -> float:
    """Wait for a condition; return how long it took, in seconds."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - began_s
