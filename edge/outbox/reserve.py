"""A file that only takes room, to be given up for calls and events when the disk is full by somebody else's doing."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

NAME: Final = "outbox.reserve"
BYTES: Final = 8 << 20
"""Room for a whole WAL (4 MiB) and what it carries into the outbox: from then on both are written in place."""


class Reserve:
    """The file in the outbox's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._laid = self._path.exists()

    @property
    def is_laid(self) -> bool:
        """Whether there is something to give up."""
        return self._laid

    def lay(self) -> None:
        """Take the room, where there is any."""
        if self._laid:
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BYTES)
            self._laid = True
        except OSError:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Give the room back to the disk; False where there was none, or the disk takes not even that."""
        if not self._laid:
            return False
        try:
            self._path.unlink()
        except FileNotFoundError:
            self._laid = False
            return False
        except OSError:
            return False
        self._laid = False
        return True
