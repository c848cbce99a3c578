"""Services that take notifications and misbehave: a path each, whose answers a seed draws."""

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Final, Self

SLOW_S: Final = 0.04
"""Within the patience of whoever sends."""
HANGS_S: Final = 0.9
"""Beyond it."""
GONE_AFTER: Final = 25


class Mood(StrEnum):
    """How a call is answered."""

    OK = "204"
    SLOW = "204, late"
    AWAY = "503"
    HANG = "no answer before the caller gives up"
    GARBAGE = "an answer that is not HTTP"
    RESET = "the connection is reset"
    GONE = "410"


MOODS: Final[Mapping[str, Sequence[tuple[Mood, int]]]] = {
    "good": ((Mood.OK, 8), (Mood.SLOW, 2)),
    "moody": ((Mood.OK, 8), (Mood.SLOW, 4), (Mood.AWAY, 4), (Mood.GARBAGE, 2), (Mood.RESET, 2), (Mood.HANG, 1)),
    "dead": ((Mood.AWAY, 6), (Mood.RESET, 2), (Mood.GARBAGE, 1)),
    "leaver": ((Mood.OK, 1),),
}
"""Path → moods with their weights; the leaver answers 410 after `GONE_AFTER` calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """A message that arrived, when it was sent by the hub's clock, and how it was answered."""

    id: str
    sent_s: int
    mood: Mood

    @property
    def taken(self) -> bool:
        return self.mood in {Mood.OK, Mood.SLOW}


class Providers:
    """The services on loopback."""

    def __init__(self, seed: int) -> None:
        self.well = False
        """From now on the good and the moody take everything at once."""
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="providers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def take(self, path: str, message_id: str, sent_s: int) -> Mood:
        """Note a call and draw its answer."""
        with self._lock:
            if path == "leaver" and len(self.calls[path]) >= GONE_AFTER:
                mood = Mood.GONE
            elif self.well and path != "dead":
                mood = Mood.OK
            else:
                moods, weights = zip(*MOODS[path], strict=True)
                mood = self._random.choices(moods, weights)[0]
            self.calls[path].append(Call(message_id, sent_s, mood))
            return mood

    def taken(self, path: str) -> dict[str, list[Call]]:
        """Return the calls that were taken, by the id of their message."""
        found: dict[str, list[Call]] = defaultdict(list)
        with self._lock:
            for call in self.calls[path]:
                if call.taken:
                    found[call.id].append(call)
        return dict(found)


def _handler(providers: Providers) -> type[BaseHTTPRequestHandler]:
    pause = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            sent_s = int(self.headers["webhook-timestamp"])
            mood = providers.take(self.path.strip("/"), self.headers["webhook-id"], sent_s)
            self.close_connection = True
            if mood is Mood.HANG:
                pause.wait(HANGS_S)
            elif mood is Mood.GARBAGE:
                self.wfile.write(b"\x16\x03 this is not HTTP\r\n\r\n")
            elif mood is Mood.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                pause.wait(SLOW_S if mood is Mood.SLOW else 0)
                with suppress(OSError):  # the caller was killed meanwhile: taken all the same
                    self.wfile.write(f"HTTP/1.1 {mood[:3]} X\r\ncontent-length: 0\r\n\r\n".encode())

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in http.server
            """Say nothing."""

    return Handler
