"""A lamp's burn hours in a file, written so that a power cut leaves the old or the new number."""

import os
from math import isfinite
from pathlib import Path

from edge.errors import DeviceUnavailable


class HoursFile:
    """One number; a new lamp's file may be deleted, an old lamp's written by hand."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> float:
        """Return the hours, 0 where there is no file; raises DeviceUnavailable for one that holds no hours."""
        try:
            hours = float(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0.0
        except OSError as error:
            raise DeviceUnavailable(f"hours_file {self._path}: {error.strerror}") from error
        except ValueError:
            hours = -1.0
        if not isfinite(hours) or hours < 0:
            raise DeviceUnavailable(f"hours_file {self._path} holds no hours; correct or delete it")
        return hours

    def write(self, hours: float) -> None:
        """Put the number there; raises DeviceUnavailable."""
        draft = self._path.with_name(self._path.name + ".new")
        try:
            with draft.open("w", encoding="ascii") as file:
                file.write(f"{hours:.4f}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            raise DeviceUnavailable(f"hours_file {self._path}: {error.strerror}") from error
