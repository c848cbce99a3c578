"""Structured logs on stderr: `key=value` lines for people, JSON lines for a journal."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_ORDINARY: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def set_up(level: str = "INFO", *, as_json: bool, stream: TextIO | None = None) -> None:
    """Send everything at `level` or above to stderr."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _ORDINARY}


class PlainFormatter(logging.Formatter):
    """`12:00:00.120 INFO outbox.opened epoch=9f2c… lanes=3`."""

    def format(self, record: logging.LogRecord) -> str:
        at = _instant(record).strftime("%H:%M:%S.%f")[:-3]
        parts = [f"{at} {record.levelname} {record.getMessage()}"]
        parts += [f"{name}={_plain(value)}" for name, value in fields_of(record).items()]
        return " ".join(parts) + _trace(self, record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _instant(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "thread": record.threadName,
            **fields_of(record),
        }
        if trace := _trace(self, record).strip():
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=False, default=str)


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _plain(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(char in text for char in ' "=\n') else text


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""
