"""A receiver of webhooks on the loopback that checks the signature of Standard Webhooks by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Call:
    """One request that arrived, with its headers in lower case."""

    headers: dict[str, str]
    body: bytes
    arrived_s: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    def signed_by(self, secret: str) -> bool:
        """True when one of its v1 signatures is the HMAC-SHA256 of `{id}.{timestamp}.{body}` under the secret."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


class WebhookReceiver:
    """Answers with the statuses it was told, then 204; keeps every call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        self._turn = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                call = Call({k.lower(): v for k, v in self.headers.items()}, body, time.monotonic())
                self.send_response(receiver.take(call))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of the standard library
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, call: Call) -> int:
        """Keeps a call and gives the status to answer."""
        with self._turn:
            self.calls.append(call)
            self._turn.notify_all()
            return self.answers.pop(0) if self.answers else 204

    def wait(self, wanted: Callable[[list[Call]], Any], *, what: str, timeout_s: float = 15) -> Any:
        """Waits until wanted(calls) is truthy and gives that."""
        result: list[Any] = [None]

        def look() -> bool:
            result[0] = wanted(self.calls)
            return bool(result[0])

        with self._turn:
            assert self._turn.wait_for(look, timeout_s), (
                f"no call in {timeout_s} s: {what}; came: {[c.body[:300] for c in self.calls[-5:]]}"
            )
        return result[0]
