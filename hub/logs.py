"""Structured logs to stderr: for a person in a terminal, one JSON object a line under systemd or a pipe.

Every line is an event with a stable name; what libraries say and what nobody caught are events too.
"""

import logging
import os
import sys
import threading
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

log = structlog.get_logger("hub")

_TOLD_ALREADY: Final = frozenset({"Exception in ASGI application\n", 'Job "%s" raised an exception'})
"""What uvicorn and APScheduler say of errors that `api.failed` and `jobs.failed` have told."""


def set_up_logs(*, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Configure the logs of this process, those of its libraries from a warning on."""
    out = sys.stderr if stream is None else stream
    terminal = out.isatty() and "JOURNAL_STREAM" not in os.environ
    # Traces are plain in both: one with the values of local variables would show passwords.
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, timestamp_key="at")]
        if terminal
        else [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Libraries(logging.WARNING)]
    root.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings repeat addresses, and a robot's is a secret
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Libraries(logging.Handler):
    """Makes an event of what a library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in _TOLD_ALREADY:
            said = {"library": record.name.partition(".")[0], "text": record.getMessage()}
            log.log(record.levelno, "library.said", **said, exc_info=record.exc_info)


def _in_order(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put first what every line has, and last the trace."""
    trace: dict[str, Any] = {"trace": event.pop("exception")} if "exception" in event else {}
    return {"at": event.pop("at"), "level": event.pop("level"), "event": event.pop("event"), **event, **trace}


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("hub.failed", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = None if args.thread is None else args.thread.name
        log.critical("thread.failed", thread=name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
