"""Engines of the state database: SQLite by default, PostgreSQL by URL."""

from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from hub.errors import ConfigurationError
from hub.storage.sql.prepared import Prepared

__all__ = ["Engine", "open_engine"]

_CACHE_KIB: Final = 128
"""Of pages, a connection: the system keeps the file in memory as well. A connection drops its pages when another has
written, and SQLite's own 2 MB would be asked for and given back piece by piece, in between all else.
"""
_KEPT: Final = 2
"""Connections to a file that stay open: who writes and who reads. The one that was used last is used next, and what
more are needed for a moment are closed again (to open one takes a millisecond). Of five, each would come to hold its
own pages, statements and schema, a megabyte, in hours.
"""
_MOST: Final = 15
"""Open at once; who needs one more waits."""
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    f"PRAGMA cache_size=-{_CACHE_KIB}",
)
_PATIENCE: Final = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
"""Of libpq, in seconds but for `tcp_user_timeout` (ms): the system alone gives a server up after a quarter of an hour
whose machine is gone, and everybody would wait at the gate. The URL may say otherwise.
"""
_BEGIN_READING: Final = Prepared(text("BEGIN"))
_BEGIN_WRITING: Final = Prepared(text("BEGIN IMMEDIATE"))


def open_engine(url: str) -> Engine:
    """Return an engine whose transactions are durable at commit and take SQLite's write lock at their begin.

    Its errors do not repeat what was to be stored: addresses of channels are secrets, and errors are logged.
    Raises `ConfigurationError` for a URL that names no supported database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        message = "LINLI_DATABASE_URL: not a database URL"
        raise ConfigurationError(message) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        arguments = {"check_same_thread": False, "timeout": 5.0}
        pooled = SQLiteDialect_pysqlite.get_pool_class(parsed) is QueuePool  # a database in memory has another
        pool = {"pool_use_lifo": True, "pool_size": _KEPT, "max_overflow": _MOST - _KEPT} if pooled else {}
        engine = create_engine(parsed, hide_parameters=True, connect_args=arguments, **pool)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend == "postgresql":
        patient = parsed.set(drivername="postgresql+psycopg", query={**_PATIENCE, **parsed.query})
        try:
            return create_engine(patient, hide_parameters=True, pool_pre_ping=True)
        except ModuleNotFoundError:
            message = "LINLI_DATABASE_URL: PostgreSQL needs its driver: pip install 'linli[postgres]'"
            raise ConfigurationError(message) from None
    message = f"LINLI_DATABASE_URL: {backend} is not supported, only sqlite and postgresql"
    raise ConfigurationError(message)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver shall not begin on its own: `_begin_sqlite` does
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Any) -> None:
    reading = connection.get_execution_options().get("linli_read_only", False)
    (_BEGIN_READING if reading else _BEGIN_WRITING).write(connection)
