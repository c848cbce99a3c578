"""Hands texts to the modem one after another in a thread of its own: the network takes its time, the loop has none."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Final

from edge.sms.modem import TextRefusedError, TextSender

_STOP_S: Final = 5.0
"""Longest wait for a text under way at the end; what is not answered then is sent again after the next start."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A text about a call for one number."""

    ref: str
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Texted:
    """What became of a request: taken by the network where `refusal` is None."""

    ref: str
    number: str
    refusal: str | None = None


class TextDesk:
    """One sender and its queue; every request is answered by `tell`, which must be quick."""

    def __init__(self, sender: TextSender, *, tell: Callable[[Texted], None]) -> None:
        self._sender = sender
        self._tell = tell
        self._requests: SimpleQueue[TextRequest | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="sms", daemon=True)

    def hand_over(self, request: TextRequest) -> None:
        """Take a text to be sent."""
        self._requests.put(request)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more, wait a moment for what is under way, and let go of the sender; idempotent."""
        self._requests.put(None)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self._sender.close()

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            self._tell(Texted(request.ref, request.number, self._refusal(request)))

    def _refusal(self, request: TextRequest) -> str | None:
        try:
            self._sender.send(request.number, request.text)
        except TextRefusedError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 a desk that ends answers no call; the text is tried again
            _log.exception("sms.failed")
            return f"{type(error).__name__}: {error}"
        return None
