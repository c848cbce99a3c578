"""Structured logs to stderr: for a person in a terminal, JSON lines under systemd or a pipe."""

import logging
import os
import sys

import structlog


def set_up_logs(*, verbose: bool = False) -> None:
    """Configure structlog for this process."""
    terminal = sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
