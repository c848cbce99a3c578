"""Sealed files: age's format (age-encryption.org/v1), streamed, so memory stays bounded whatever the size.

The library is the Rust implementation's binding; the `age` program of any distribution opens the same files. To seal,
the public key is enough: a hub need not be able to read its own backups.
"""

import errno
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from hub.errors import ConfigurationError, StorageError

_SECRET: Final = "AGE-SECRET-KEY-1"  # noqa: S105 how such a line begins
_PUBLIC: Final = "age1"
_SEALED: Final = b"age-encryption.org/"
_LONGEST_KEY_FILE: Final = 64 * 1024


class Sink(Protocol):
    """Somewhere bytes go."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Key:
    """Who may open what is sealed, and, where the secret is here, the means to open it."""

    recipients: tuple[Any, ...]
    identities: tuple[Any, ...] = ()

    @property
    def opens(self) -> bool:
        """Whether the secret half is here."""
        return bool(self.identities)


def make_key(path: Path) -> str:
    """Make a new key in the new file `path`, for its owner only; return the public half."""
    x25519 = _library().x25519
    identity = x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"# public key: {public}\n{identity}\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        message = f"{path} exists; a key is never written over"
        raise ConfigurationError(message) from None
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise ConfigurationError(message) from None
    return public


def read_key(path: Path, *, passphrase: str | None = None) -> Key:
    """Read a file of age keys, a secret or public ones; it may itself be sealed by a passphrase."""
    library = _library()
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_KEY_FILE)
    except OSError as error:
        message = f"the key {path} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from None
    if content.startswith(_SEALED):
        if passphrase is None:
            message = f"the key {path} is sealed by a passphrase: name its file with --passphrase-file"
            raise ConfigurationError(message)
        try:
            content = library.passphrase.decrypt(content, passphrase)
        except library.DecryptError:
            message = f"the key {path} is not opened by this passphrase"
            raise ConfigurationError(message) from None
    lines = [line.strip() for line in content.decode("ascii", errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    try:
        identities = [library.x25519.Identity.from_str(line) for line in lines if line.startswith(_SECRET)]
        public = [library.x25519.Recipient.from_str(line) for line in lines if line.startswith(_PUBLIC)]
    except (library.IdentityError, library.RecipientError):
        lines = []
        identities, public = [], []
    if not lines or len(identities) + len(public) != len(lines):
        message = f"{path} is no key: linli-hub backup-key makes one"
        raise ConfigurationError(message)
    return Key((*(identity.to_public() for identity in identities), *public), tuple(identities))


@contextmanager
def sealing(target: Sink, key: Key, *, name: str) -> Generator[IO[bytes]]:
    """Yield a file whose content goes sealed into `target`; StorageError where that fails, in one line with `name`."""
    noting = _Noting(target)
    reading, writing = os.pipe()
    outlet = os.fdopen(reading, "rb", buffering=0)
    worker = _Worker("seal", lambda: _library().encrypt_io(outlet, noting, key.recipients), finally_=outlet.close)
    inlet = os.fdopen(writing, "wb", buffering=1 << 20)
    try:
        yield inlet
        inlet.close()
    except BrokenPipeError:
        pass  # the worker has failed, and says why
    finally:
        _close_quietly(inlet)
        worker.join()
    if noting.error is not None:
        raise StorageError(unwritten(name, noting.error)) from noting.error
    if worker.error is not None:
        message = f"{name} cannot be sealed: {worker.error}"
        raise StorageError(message) from worker.error


@contextmanager
def opening(source: IO[bytes], key: Key, *, name: str) -> Generator[IO[bytes]]:
    """Yield a file with what `source` seals; StorageError says a wrong key from a damaged file."""
    reading, writing = os.pipe()
    pipe = os.fdopen(writing, "wb", buffering=1 << 20)
    inlet = _Noting(pipe)
    worker = _Worker("open", lambda: _opened(source, inlet, key.identities), finally_=lambda: _close_quietly(pipe))
    outlet = os.fdopen(reading, "rb", buffering=1 << 20)
    failed: Exception | None = None
    try:
        yield outlet
        while outlet.read(1 << 20):  # what comes last proves that the file is whole
            pass
    except Exception as error:  # noqa: BLE001 raised again below, unless the worker knows better
        failed = error
    finally:
        outlet.close()
        worker.join()
    if worker.error is not None and inlet.error is None:
        raise StorageError(_reason(name, worker.error)) from worker.error
    if failed is not None:
        raise failed


def unwritten(name: object, error: OSError) -> str:
    """Say that something cannot be written, and why."""
    reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
    return f"{name} cannot be written: {reason}"


def _opened(source: IO[bytes], inlet: Sink, identities: Sequence[Any]) -> None:
    _library().decrypt_io(source, inlet, list(identities))
    inlet.flush()


def _reason(name: str, error: BaseException) -> str:
    said = str(error)
    if "No matching keys" in said:
        return f"{name} is not opened by this key"
    if isinstance(error, _library().DecryptError):
        return f"{name} is no backup of a hub, or its beginning is damaged"
    return f"{name} is damaged or cut off: it does not match its seal"


def _close_quietly(file: IO[bytes]) -> None:
    try:
        file.close()
    except BrokenPipeError:
        return


def _library() -> Any:
    try:
        import pyrage
    except ModuleNotFoundError:
        message = "backups need the library pyrage, which is not installed here: pip install pyrage"
        raise ConfigurationError(message) from None
    return pyrage


class _Noting:
    """A sink that remembers its own failure: the library tells only its text."""

    def __init__(self, sink: Sink) -> None:
        self.error: OSError | None = None
        self._sink = sink

    def write(self, data: bytes, /) -> int:
        try:
            return self._sink.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            self._sink.flush()
        except OSError as error:
            self.error = error
            raise


class _Worker:
    """One call in a thread of its own."""

    def __init__(self, name: str, call: Callable[[], object], *, finally_: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._call = call
        self._finally = finally_
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:  # noqa: BLE001 told to whoever waits
            self.error = error
        finally:
            self._finally()
