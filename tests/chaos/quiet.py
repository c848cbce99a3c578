"""Logs kept silent for a while: thousands of broken connections are told of in figures."""

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def quiet() -> Generator[None]:
    """Nothing is logged inside."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
