"""An A02YYUW of ours on a pseudo-terminal: says its words over and over, a few hundred times as fast as a real one."""

import os
import tty
from collections.abc import Callable
from threading import Event, Thread

EVERY_S = 0.004


def frame(word: int) -> bytes:
    """The four bytes of a distance in mm, or of a code."""
    body = bytes((0xFF, word >> 8, word & 0xFF))
    return body + bytes((sum(body) & 0xFF,))


class FakeA02yyuw:
    """Free-running like the real one: nobody has to ask, and what nobody reads is lost."""

    def __init__(self, *, is_powered: Callable[[], bool] = lambda: True) -> None:
        """Begin to talk; `is_powered` is asked before every word."""
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self.port = os.ttyname(self._near)
        self.said: list[bytes] = [frame(480)]
        self._is_powered = is_powered
        self._stopped = Event()
        self._thread = Thread(target=self._talk, name="fake-a02yyuw")
        self._thread.start()

    def say(self, *words: int) -> None:
        """From now on these distances in turn; none: silence."""
        self.said = [frame(word) for word in words]

    def stop(self) -> None:
        """Fall silent, let go of the terminal."""
        self._stopped.set()
        self._thread.join()
        os.close(self._far)
        os.close(self._near)

    def _talk(self) -> None:
        turn = 0
        while not self._stopped.wait(EVERY_S):
            said = self.said
            if not said or not self._is_powered():
                continue
            turn += 1
            try:
                os.write(self._far, said[turn % len(said)])
            except BlockingIOError:
                continue
