"""`python -m tests.chaos.leaky_hub`: the hub that never gives back memory, files or log; the soak has to see each."""

import sqlite3
import sys
from io import FileIO
from os import devnull
from typing import Any, Final

from hub.__main__ import main
from hub.ingest.intake import Intake
from hub.ingest.pipeline import Pipeline
from hub.storage import telemetry_file

LARGEST_MESSAGE_BYTES: Final = 240 * 1024
_kept: Final[list[Any]] = []


def keep_every_message() -> None:
    """Each batch stays, in a buffer as large as a message may be."""
    _at_each_append(lambda _: _kept.append(b"\xff" * LARGEST_MESSAGE_BYTES))


def leave_files_open() -> None:
    """A file is opened for each batch, and stays open."""
    _at_each_append(lambda _: _kept.append(FileIO(devnull)))


def never_checkpoint() -> None:
    """The write-ahead log of the telemetry file only grows."""
    connect = telemetry_file._connect  # noqa: SLF001 a mutant is made inside

    def mutant(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*given, **named)
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection

    telemetry_file._connect = mutant  # noqa: SLF001 a mutant is made inside


def _at_each_append(do: Any) -> None:
    append = Pipeline._append  # noqa: SLF001 a mutant is made inside

    def mutant(self: Pipeline, intake: Intake) -> None:
        do(intake)
        append(self, intake)

    Pipeline._append = mutant  # noqa: SLF001 a mutant is made inside


if __name__ == "__main__":
    for leak in (keep_every_message, leave_files_open, never_checkpoint):
        leak()
    sys.argv = ["linli-hub", "serve"]
    main()
