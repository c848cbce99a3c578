"""Every channel on a bench: what it is given to send, a receiver that behaves or not, what has come out of it."""

import io
import json
import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from hub.channels.apprise import AppriseSender
from hub.channels.console import ConsoleSender
from hub.channels.webhook import WebhookSender, open_client
from hub.notification.digest import text_of
from hub.notification.outbox import Channel, Delivery, Notification, Outcome
from hub.notification.person_channel import PersonChannel
from hub.notification.ports import Sender, Target
from hub.notification.texts import shipped_texts
from hub.notification.webhook import SECRET_BYTES, Webhook, new_webhook_secret

PATIENCE_S = 10.0
SECRET = "the-secret-part-of-the-address"
AT = datetime(2026, 11, 25, 8, 5, tzinfo=UTC)


class Receiver:
    """A server on loopback that keeps what it is sent, and answers, hangs or hangs up as told."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.paths: list[str] = []
        self.status = 200
        self.hangs_up = False
        self.released = threading.Event()
        self.released.set()
        self.entered = threading.Semaphore(0)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
                receiver.paths.append(self.path)
                receiver.entered.release()
                receiver.released.wait(PATIENCE_S)
                if receiver.hangs_up:
                    self.close_connection = True
                    return
                self.send_response(receiver.status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                """Nobody should come here: a redirect was followed."""
                receiver.paths.append(self.path)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def row(number: int, *, channel: Channel, body: str, **known: Any) -> Notification:
    fixed: dict[str, Any] = {
        "site": "demo",
        "alert": "01JA",
        "work_order": None,
        "step": "fired",
        "target": "01JTARGET",
        "life_safety": False,
        "created_at_ms": number,
        "next_attempt_ms": None,
    }
    return Notification(id=f"01JN{number:022d}", channel=channel, body=body, **(fixed | known))


class Bench(Protocol):
    """One channel, its target and its receiver."""

    sender: Sender
    arrives: Outcome
    """What it says of a message that arrived."""

    @property
    def target(self) -> Target | None:
        """Where it goes."""
        return None

    @abstractmethod
    def row(self, number: int, text: str) -> Notification:
        """Return a row of this channel that says the text."""

    @abstractmethod
    def received(self) -> str:
        """Return everything that has come out."""

    @abstractmethod
    def refuse(self) -> None:
        """Have the receiver refuse from now on."""

    @abstractmethod
    def close(self) -> None:
        """Close what was opened."""

    def send(self, *texts: str, life_safety: bool = False) -> Sequence[Delivery]:
        rows = [replace(self.row(number, text), life_safety=life_safety) for number, text in enumerate(texts)]
        return self.sender.send(rows, self.target)


def loop_body(text: str) -> str:
    document = {"type": "alert.fired", "data": {"text": {"zh": text, "en": text}}}
    return json.dumps(document, ensure_ascii=False)


class ConsoleBench(Bench):
    arrives = Outcome.SENT

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.sender = ConsoleSender(self._stream)

    def row(self, number: int, text: str) -> Notification:
        return row(number, channel=Channel.CONSOLE, body=loop_body(text), target="console")

    def received(self) -> str:
        return self._stream.getvalue()

    def refuse(self) -> None:
        self._stream.close()

    def close(self) -> None:
        """Nothing is open."""


class WebhookBench(Bench):
    arrives = Outcome.DELIVERED

    def __init__(self) -> None:
        self.receiver = Receiver()
        self._client = open_client()
        self.sender = WebhookSender(self._client, now_ms=lambda: 1_795_000_000_000)
        self._webhook = Webhook(
            id="01JTARGET",
            site="demo",
            url=f"http://127.0.0.1:{self.receiver.port}/{SECRET}",
            secret=new_webhook_secret(bytes(SECRET_BYTES)),
            created_at_ms=0,
        )

    @property
    def target(self) -> Webhook:
        return self._webhook

    def row(self, number: int, text: str) -> Notification:
        return row(number, channel=Channel.WEBHOOK, body=loop_body(text))

    def received(self) -> str:
        return "\n".join(self.receiver.bodies)

    def refuse(self) -> None:
        self.receiver.status = 503

    def close(self) -> None:
        self.receiver.stop()
        self._client.close()


class AppriseBench(Bench):
    arrives = Outcome.SENT

    def __init__(self, *, budget_s: float = PATIENCE_S, query: str = "") -> None:
        self.receiver = Receiver()
        self.sender = AppriseSender(texts=shipped_texts(), budget_s=budget_s)
        self._channel = PersonChannel(
            id="01JTARGET",
            person="01JLI",
            name="手机",
            url=f"json://127.0.0.1:{self.receiver.port}/{SECRET}{query}",
            per_minute=120,
            created_at_ms=0,
        )

    @property
    def target(self) -> PersonChannel:
        return self._channel

    def with_url(self, url: str) -> "AppriseBench":
        self._channel = replace(self._channel, url=url)
        return self

    def row(self, number: int, text: str) -> Notification:
        said = text_of(text, locale="zh", place="示范小区", local=AT)
        return row(number, channel=Channel.APPRISE, body=said, person="01JLI")

    def received(self) -> str:
        return "\n".join(str(json.loads(body)) for body in self.receiver.bodies)

    def refuse(self) -> None:
        self.receiver.status = 503

    def close(self) -> None:
        self.receiver.stop()


class RecordingSender:
    """A channel of tests: keeps the rows and takes them all, until it is told to refuse."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.refuses = False

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        if self.refuses:
            return [Delivery(Outcome.RETRY, "refused")] * len(rows)
        self.bodies += [row.body for row in rows]
        return [Delivery(Outcome.SENT)] * len(rows)


class RecordingBench(Bench):
    arrives = Outcome.SENT

    def __init__(self) -> None:
        self.sender = self._recording = RecordingSender()

    def row(self, number: int, text: str) -> Notification:
        return row(number, channel=Channel.CONSOLE, body=loop_body(text), target="console")

    def received(self) -> str:
        return "\n".join(self._recording.bodies)

    def refuse(self) -> None:
        self._recording.refuses = True

    def close(self) -> None:
        """Nothing is open."""
