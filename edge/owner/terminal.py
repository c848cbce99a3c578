"""The terminal of the person at the node: a screen that is drawn again, and questions that end with q or Ctrl-C."""

import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from threading import Event
from types import FrameType
from typing import Final, TextIO

_ALTERNATE: Final = "\x1b[?1049h\x1b[?25l"
_ORDINARY: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person looks on."""
    return (stream or sys.stdout).isatty()


class Screen:
    """A page that is drawn again in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def width(self) -> int:
        """Columns of the terminal now."""
        return get_terminal_size().columns

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines; those that do not fit below are left out."""
        fitting = lines[: get_terminal_size().lines]
        self._stream.write(_HOME + f"{_CLEAR_LINE}\r\n".join(fitting) + _CLEAR_LINE + _CLEAR_BELOW)
        self._stream.flush()


@contextmanager
def screen(stream: TextIO) -> Generator[Screen]:
    """A page of its own; what was on the terminal comes back at the end, however it comes."""
    stream.write(_ALTERNATE)
    stream.flush()
    try:
        yield Screen(stream)
    finally:
        stream.write(_ORDINARY)
        stream.flush()


@contextmanager
def stop_signals() -> Generator[Event]:
    """An event that is set by SIGINT or SIGTERM, so that hardware is given back in order."""
    stopping = Event()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 the signature of a handler
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ask(question: str) -> str | None:
    """Ask on stdout and return the line; None for q, the end of input or Ctrl-C."""
    try:
        answer = input(f"{question} ")
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        return None
    return None if answer.strip().lower() in ("q", "quit") else answer
