"""Error tree of the edge agent: one root, leaves that say what is wrong in one line."""

from collections.abc import Iterable
from pathlib import Path


class EdgeError(Exception):
    """The edge agent cannot go on with what was asked."""


class DriverError(EdgeError):
    """A device driver cannot be loaded, configured or opened."""


class UnknownDriver(DriverError, LookupError):
    """No installed driver has this name; the message lists the known ones."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"unknown driver {name!r}; known: {', '.join(self.known) or 'none'}")


class LibraryMissing(DriverError):
    """A driver's library is not installed or does not work here; the message says what to install."""


class DeviceUnavailable(DriverError, OSError):
    """The hardware a driver was given cannot be opened (pin in use, no permission, file missing)."""


class InvalidOptions(DriverError, ValueError):
    """A driver's options are wrong; `problems` holds one (key, reason) per mistake."""

    def __init__(self, driver: str, problems: Iterable[tuple[str, str]]) -> None:
        self.driver = driver
        self.problems = tuple(problems)
        super().__init__(f"driver {driver!r}: " + "; ".join(f"{key}: {reason}" for key, reason in self.problems))


class InvalidSettings(EdgeError, ValueError):
    """The configuration cannot be used; `problems` holds one (key, reason) per mistake."""

    def __init__(self, source: str, problems: Iterable[tuple[str, str]]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("; ".join(self.lines()))

    def lines(self) -> list[str]:
        """One line per mistake: file, key, reason."""
        return [
            f"{self.source}: {key}: {reason}" if key else f"{self.source}: {reason}" for key, reason in self.problems
        ]


class DataDirLocked(EdgeError):
    """Another process works on this data directory."""

    def __init__(self, data_dir: Path, *, pid: str) -> None:
        self.pid = pid
        super().__init__(f"data_dir {data_dir} is in use by another agent (pid {pid})")


class OutboxError(EdgeError):
    """The outbox cannot be opened, read or written."""
