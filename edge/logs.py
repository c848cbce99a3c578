"""Structured logs on stderr: `key=value` lines for people, JSON lines for a journal.

Every line is an event with a stable name; what libraries say and what nobody caught are events too.
"""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

_ORDINARY: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_OURS: Final = "edge"
_log = logging.getLogger(_OURS)


def set_up(level: str = "INFO", *, as_json: bool, stream: TextIO | None = None) -> None:
    """Send everything at `level` or above to stderr, an error that nobody catches too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`; of a library's record which one said what."""
    fields = {name: value for name, value in vars(record).items() if name not in _ORDINARY}
    library = record.name.partition(".")[0]
    return fields if library == _OURS else {"library": library, "text": record.getMessage(), **fields}


class PlainFormatter(logging.Formatter):
    """`12:00:00.120 INFO outbox.opened epoch=9f2c… lanes=3`."""

    def format(self, record: logging.LogRecord) -> str:
        at = _instant(record).strftime("%H:%M:%S.%f")[:-3]
        parts = [f"{at} {record.levelname} {_event(record)}"]
        parts += [f"{name}={_plain(value)}" for name, value in fields_of(record).items()]
        return " ".join(parts) + _trace(self, record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _instant(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _event(record),
            "thread": record.threadName,
            **fields_of(record),
        }
        if trace := _trace(self, record).strip():
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=False, default=str)


def _event(record: logging.LogRecord) -> str:
    return record.getMessage() if record.name.partition(".")[0] == _OURS else "library.said"


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _plain(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(char in text for char in ' "=\n') else text


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("agent.failed", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = None if args.thread is None else args.thread.name
        trace = (args.exc_type, args.exc_value, args.exc_traceback)
        _log.critical("thread.failed", extra={"failed": name}, exc_info=trace)
