"""What a backup says of itself; pure. It stands first in the file, so it is known before anything is taken out."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hub.errors import StorageError

NAME: Final = "manifest.json"
FORMAT: Final = 1
MOST_BYTES: Final = 4 * 1024 * 1024
_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")
_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)?")


class StateKind(StrEnum):
    """What kind of database the state was in."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Content:
    """A file in the backup."""

    name: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds, of which hub, as of when."""

    version: str
    revision: str
    """Of the state database's schema."""
    hub_id: str
    taken_at: str
    """When the state was copied; the telemetry was copied after it."""
    state: StateKind
    tables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """With PostgreSQL: the tables in the order they are filled, with their columns."""
    contents: tuple[Content, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(content.size for content in self.contents)

    def to_json(self) -> bytes:
        """Return the manifest as it is written."""
        return json.dumps(
            {
                "linli_backup": FORMAT,
                "version": self.version,
                "revision": self.revision,
                "hub_id": self.hub_id,
                "taken_at": self.taken_at,
                "state": self.state.value,
                "tables": [{"name": name, "columns": list(columns)} for name, columns in self.tables],
                "contents": [
                    {"name": content.name, "bytes": content.size, "sha256": content.sha256} for content in self.contents
                ],
            },
            ensure_ascii=False,
            indent=1,
        ).encode()

    @classmethod
    def from_json(cls, data: bytes, *, file: str) -> "Manifest":
        """Read a manifest; StorageError where `file` holds none that this release understands."""
        try:
            read: Mapping[str, Any] = json.loads(data)
            number = read["linli_backup"]
            if number != FORMAT:
                message = (
                    f"{file} is a backup of format {number}; this release reads {FORMAT}: use the release that made it"
                )
                raise StorageError(message)
            manifest = cls(
                version=str(read["version"]),
                revision=str(read["revision"]),
                hub_id=str(read["hub_id"]),
                taken_at=str(read["taken_at"]),
                state=StateKind(read["state"]),
                tables=tuple((str(table["name"]), tuple(map(str, table["columns"]))) for table in read["tables"]),
                contents=tuple(
                    Content(str(part["name"]), int(part["bytes"]), str(part["sha256"])) for part in read["contents"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            message = f"{file} is no backup of a hub: its manifest cannot be read"
            raise StorageError(message) from error
        if not all(_PATH.fullmatch(content.name) for content in manifest.contents):
            message = f"{file} names a file outside of itself"
            raise StorageError(message)
        if not all(_WORD.fullmatch(word) for name, columns in manifest.tables for word in (name, *columns)):
            message = f"{file} names a table that is none of a hub's"
            raise StorageError(message)
        return manifest
