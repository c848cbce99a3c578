"""Asking the hub how it is, every few seconds, on a thread that may hang as long as the hub does."""

import threading
from collections.abc import Callable
from typing import Any, Final

import httpx2

from hub.watchdog.vigil import HubAnswered, HubMissed

EVERY_S: Final = 5.0
ANSWER_WITHIN_S: Final = 5.0


class Inquiry:
    """Asks `/readyz` and tells what came of it."""

    def __init__(self, url: str, *, every_s: float, tell: Callable[[HubAnswered | HubMissed], None]) -> None:
        """Wire it; nothing is asked yet."""
        self._url = f"{url.rstrip('/')}/readyz"
        self._every_s = every_s
        self._tell = tell
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog-inquiry", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER_WITHIN_S)

    @property
    def runs(self) -> bool:
        """Whether it still asks."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with httpx2.Client(timeout=ANSWER_WITHIN_S, trust_env=False) as client:
            while not self._stopping.is_set():
                self._tell(_ask(client, self._url))
                self._stopping.wait(self._every_s)


def _ask(client: httpx2.Client, url: str) -> HubAnswered | HubMissed:
    try:
        response = client.get(url)
        said: Any = response.json()
        parts: dict[str, Any] = said["parts"]
        bad = {name: part for name, part in parts.items() if part["status"] != "ok"}
        detail = "; ".join(f"{name}: {part['detail'] or part['status']}" for name, part in bad.items())
        return HubAnswered(well=response.is_success, detail=detail)
    except httpx2.HTTPError as error:
        return HubMissed(f"{type(error).__name__}: {error}".rstrip(": "))
    except (ValueError, KeyError, TypeError):
        return HubMissed("what answers there is no hub")
