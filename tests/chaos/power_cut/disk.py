"""Pure: a disk that forgets. What was written since a file's last sync may be on it after a power cut, or not, or torn.

The model is SQLite's own of a medium that honours syncs: a sync makes one file durable, all of it that was written
before. Which names there are becomes durable by a sync of their folder, which SQLite asks for when it first syncs a new
journal or WAL, and with some deletions.
A write that was not synced is kept whole, dropped, or torn at sectors; a hole before a kept write holds zeros or noise.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

SECTOR: Final = 512
_JOURNALS: Final = ("-journal", "-wal")


class Survival(StrEnum):
    """What a cut leaves of the writes that no sync has covered."""

    NOTHING = "nothing"
    HALF = "half"
    """The first half of them, in order."""
    PART = "part"
    """Each one or not, in no order."""
    TORN = "torn"
    """Each one or not, and of what is left each sector or not."""


@dataclass(frozen=True, slots=True)
class Create:
    """A file came to be."""

    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file got another size."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Everything written to a file before is on the medium."""

    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A name went away; `durable` when its folder was synced as well."""

    name: str
    durable: bool


Operation = Create | Write | Truncate | Sync | Delete


@dataclass(slots=True)
class Disk:
    """Files as they are for sure, and what is on its way to them."""

    durable: dict[str, bytes] = field(default_factory=dict[str, bytes])
    pending: dict[str, list[Operation]] = field(default_factory=dict[str, list[Operation]])

    def apply(self, operation: Operation) -> None:
        """Take the next operation."""
        name = operation.name
        if isinstance(operation, Sync):
            if name.endswith(_JOURNALS) and any(isinstance(each, Create) for each in self.pending.get(name, [])):
                self._settle_names()
            self._settle(name)
            return
        self.pending.setdefault(name, []).append(operation)
        if isinstance(operation, Delete) and operation.durable:
            self._settle_names()

    def after_cut(self, survival: Survival, random: Random) -> dict[str, bytes]:
        """Return the files that are found when the power is back."""
        found = dict(self.durable)
        for name, operations in self.pending.items():
            content = _applied(self.durable.get(name), _survivors(operations, survival, random), survival, random)
            if content is None:
                found.pop(name, None)
            else:
                found[name] = bytes(content)
        return found

    def _settle_names(self) -> None:
        """The folder is synced: files that were deleted are gone, new ones are there, with what content ever."""
        for name, operations in self.pending.items():
            deleted = [place for place, each in enumerate(operations) if isinstance(each, Delete)]
            if deleted:
                self.durable.pop(name, None)
                del operations[: deleted[-1] + 1]
            if any(isinstance(each, Create) for each in operations):
                self.durable.setdefault(name, b"")
                operations[:] = [each for each in operations if not isinstance(each, Create)]

    def _settle(self, name: str) -> None:
        content = _applied(self.durable.get(name), self.pending.pop(name, []), Survival.HALF, None)
        if content is None:
            self.durable.pop(name, None)
        else:
            self.durable[name] = bytes(content)


def _survivors(operations: list[Operation], survival: Survival, random: Random) -> list[Operation]:
    match survival:
        case Survival.NOTHING:
            return []
        case Survival.HALF:
            return operations[: len(operations) // 2]
        case _:
            pass
    kept: list[Operation] = []
    for operation in operations:
        if random.random() < 0.5:
            kept.append(operation)
        elif isinstance(operation, Delete):
            break  # what follows went to another file of that name, which then has no name
    return kept


def _applied(
    content: bytes | None, operations: Iterable[Operation], survival: Survival, random: Random | None
) -> bytearray | None:
    file = None if content is None else bytearray(content)
    for operation in operations:
        match operation:
            case Delete():
                file = None
            case Create():
                file = bytearray() if file is None else file
            case Truncate(size=size):
                file = bytearray() if file is None else file
                del file[size:]
                file.extend(bytes(size - len(file)))
            case Write(offset=offset, data=data):
                file = bytearray() if file is None else file
                torn = survival is Survival.TORN and random is not None and random.random() < 0.5
                _write(file, offset, data, random if torn else None)
            case Sync():
                pass
    return file


def _write(file: bytearray, offset: int, data: bytes, random: Random | None) -> None:
    """Write; with `random` torn: each sector arrives or not, and a hole is noise."""
    missing = offset - len(file)
    if missing > 0:
        file.extend(bytes(missing) if random is None else random.randbytes(missing))
    if random is None:
        file[offset : offset + len(data)] = data
        return
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        if random.random() < 0.5:
            at = offset + start
            if at > len(file):
                file.extend(random.randbytes(at - len(file)))
            file[at : at + end - start] = data[start:end]
        start = end
