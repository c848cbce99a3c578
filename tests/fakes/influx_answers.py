"""A server at InfluxDB's write path with scripted moods: stores lines, refuses bad ones in a dialect, or is away."""

import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Dialect(StrEnum):
    """How a body with bad lines is answered."""

    V1_PARTIAL = "1.8: 400 partial write, the other lines stored"
    V2_PARTIAL = "2.x: 422 partial write, the other lines stored"
    V2_INVALID = "2.x: 400 invalid, nothing stored"
    V3_PARTIAL = "3.x: 400 partial write of line protocol, the other lines stored"


@dataclass(frozen=True, slots=True)
class Mood:
    """One answer to one write, whatever it holds; `hang` answers only when the server stops."""

    status: int = 503
    document: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    text: str | None = None
    """The body, where it is no JSON."""


NOT_ABOUT_LINES = {
    "Go's server, asked in plain HTTP where it speaks TLS": Mood(
        400, text="Client sent an HTTP request to an HTTPS server.\n"
    ),
    "nginx, asked in plain HTTP where it speaks TLS": Mood(
        400, text="<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
    ),
    "1.8, without a database": Mood(400, {"error": "database is required"}),
    "1.8, of a body that was cut short": Mood(400, {"error": "unexpected EOF"}),
    "2.x, of the precision": Mood(400, {"code": "invalid", "message": "invalid precision; valid precision units are"}),
    "2.x, without an organisation": Mood(400, {"code": "invalid", "message": "Please provide either orgID or org"}),
    "a service that knows no telemetry": Mood(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
    "a proxy that lets no line through": Mood(413, text="<html>413 Request Entity Too Large</html>"),
}
"""Answers about the body that do not speak of its lines: none of them is bad because of it."""


@dataclass(slots=True)
class ScriptedInflux:
    """What the server was sent and stores; `moods` answer the next writes, then lines are judged by the dialect."""

    dialect: Dialect = Dialect.V1_PARTIAL
    is_bad: Callable[[str], bool] = lambda line: False
    most_bytes: int = 25_000_000
    moods: list[Mood] = field(default_factory=list)
    mood_after: Mood | None = None
    """Answers every write once `moods` are used up; None stores again."""
    stored: dict[str, None] = field(default_factory=dict)
    calls: list[tuple[int, int]] = field(default_factory=list)
    """(status, lines) of each write, in order."""
    seen: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    """(path, parameters, Authorization) of each write."""
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: bytes) -> Mood:
        """Decide on a write and store what is stored."""
        if self.moods:
            return self.moods.pop(0)
        if self.mood_after is not None:
            return self.mood_after
        if len(body) > self.most_bytes:
            return Mood(413, {"error": "Request Entity Too Large"})
        lines = body.decode().split("\n")
        bad = [line for line in lines if self.is_bad(line)]
        if bad and self.dialect is Dialect.V2_INVALID:
            return Mood(400, {"code": "invalid", "message": f"unable to parse '{bad[0]}': bad number"})
        self.stored.update(dict.fromkeys(line for line in lines if not self.is_bad(line)))
        return _refusal(self.dialect, bad) if bad else Mood(204)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller that hung up is part of the script."""


def _refusal(dialect: Dialect, bad: Sequence[str]) -> Mood:
    conflict = f'partial write: field type conflict: input field "x" is type float dropped={len(bad)}'
    if dialect is Dialect.V1_PARTIAL:
        return Mood(400, {"error": conflict})
    if dialect is Dialect.V3_PARTIAL:
        data = [{"error_message": "bad", "line_number": 1, "original_line": bad[0]}]
        return Mood(400, {"error": "partial write of line protocol occurred", "data": data})
    return Mood(422, {"code": "unprocessable entity", "message": conflict})


@contextmanager
def scripted_influx(script: ScriptedInflux) -> Generator[ScriptedInflux]:
    """Serve the script on loopback for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves in one piece, else it waits for a delayed acknowledgement of TCP

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            place = urlsplit(self.path)
            script.seen.append((place.path, parse_qs(place.query), self.headers.get("Authorization", "")))
            mood = script.answer(body)
            if mood.hang:
                script.calls.append((0, body.count(b"\n") + 1))
                script.released.wait(30)
                self.close_connection = True
                return
            script.calls.append((mood.status, body.count(b"\n") + 1))
            said = json.dumps(mood.document) if mood.text is None else mood.text
            content = b"" if mood.status == 204 else said.encode()
            self.send_response(mood.status)
            for name, value in mood.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json" if mood.text is None else "text/plain")
            if mood.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in http.server
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="scripted-influx", args=(0.02,))
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        script.released.set()
        server.shutdown()
        thread.join(5)
        server.server_close()
