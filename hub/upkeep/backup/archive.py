"""The file of a backup: a sealed, compressed tar whose first member is the manifest.

Without Linli it is opened by `age -d -i KEY FILE | tar xz`.
"""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hub.errors import StorageError
from hub.upkeep.backup.manifest import MOST_BYTES, NAME, Content, Manifest
from hub.upkeep.backup.sealing import Key, Sink, opening, sealing, unwritten

_CHUNK: Final = 1 << 20
_LEVEL: Final = 1
"""Of zlib: a higher one makes files a tenth smaller and takes twice the time."""


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path, *, name: str) -> Content:
    """Return a file as the manifest lists it."""
    return Content(name, path.stat().st_size, hash_file(path))


def write_archive(target: Sink, key: Key, manifest: Manifest, folder: Path, *, name: str) -> None:
    """Write the manifest and its contents, found in `folder`; StorageError where `target` takes no more."""
    with (
        sealing(target, key, name=name) as sealed,
        gzip.GzipFile(fileobj=sealed, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=_CHUNK, format=tarfile.PAX_FORMAT) as tar,
    ):
        said = manifest.to_json()
        tar.addfile(_member(NAME, len(said)), io.BytesIO(said))
        for content in manifest.contents:
            with (folder / content.name).open("rb") as file:
                tar.addfile(_member(content.name, content.size), file)


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened backup, its manifest read."""

    manifest: Manifest
    _tar: tarfile.TarFile
    _name: str

    def extract(self, folder: Path | None) -> None:
        """Read every content and compare its hash, into `folder` where one is given; StorageError where one differs."""
        wanted = {content.name: content for content in self.manifest.contents}
        while (member := self._tar.next()) is not None:
            content = wanted.pop(member.name, None)
            file = self._tar.extractfile(member) if member.isreg() else None
            if content is None or file is None or member.size != content.size:
                message = f"{self._name} does not hold what its manifest says: {member.name}"
                raise StorageError(message)
            if _take(file, None if folder is None else folder / content.name) != content.sha256:
                message = f"{self._name} is damaged: {content.name} does not match its hash"
                raise StorageError(message)
        if wanted:
            message = f"{self._name} does not hold what its manifest says: {', '.join(wanted)} is missing"
            raise StorageError(message)


@contextmanager
def open_archive(path: Path, key: Key) -> Generator[Archive]:
    """Open a backup and read its manifest; StorageError says in one line what is wrong with the file."""
    try:
        source = path.open("rb")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise StorageError(message) from None
    with source, opening(source, key, name=str(path)) as opened:
        try:
            with (
                gzip.GzipFile(fileobj=opened, mode="rb") as packed,
                tarfile.open(fileobj=packed, mode="r|", bufsize=_CHUNK) as tar,
            ):
                yield Archive(_first(tar, name=str(path)), tar, str(path))
        except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
            message = f"{path} is no backup of a hub, or is damaged"
            raise StorageError(message) from error


def _first(tar: tarfile.TarFile, *, name: str) -> Manifest:
    member = tar.next()
    file = tar.extractfile(member) if member is not None and member.name == NAME and member.isreg() else None
    if member is None or file is None or member.size > MOST_BYTES:
        message = f"{name} is no backup of a hub: it does not begin with a manifest"
        raise StorageError(message)
    return Manifest.from_json(file.read(), file=name)


def _take(file: IO[bytes], target: Path | None) -> str:
    """Read a file to its end and return its SHA-256; write it to `target`, durably, where one is given."""
    digest = hashlib.sha256()
    if target is None:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as out:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                _write(out, chunk)
            os.fsync(out.fileno())
    except OSError as error:
        raise StorageError(unwritten(target, error)) from error
    return digest.hexdigest()


def _write(out: Any, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[out.write(left) :]


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member
