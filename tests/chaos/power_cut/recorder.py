"""Records what SQLite does to a folder, and puts a disk back together as a power cut would have left it.

A shim VFS is registered by ctypes as the default one of the very SQLite library that Python's `sqlite3` is linked to,
so production code runs as it is: its own connections, pragmas, threads, and SQLAlchemy's. (APSW would bring another
SQLite and another interface, for which the code under test would have to be changed or imitated.) The shim hands
everything to SQLite's own unix VFS and notes creations, writes, truncations, syncs and deletions of database, journal
and WAL. Real syncs are left out: the disk they would reach is the recorded one. Not seen, and so not cut: files that do
not pass SQLite (the outbox's lock and its mark), and the WAL's shared memory, which SQLite builds anew after a crash.
"""

import ctypes
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.chaos.power_cut.disk import Create, Delete, Operation, Sync, Truncate, Write

_OK: Final = 0
_IOERR: Final = 10
_FULL: Final = 13
_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
# Names travel as bare addresses: SQLite keeps them, and reads what it has put behind their end.
_OPEN: Final = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)
_DELETE: Final = ctypes.CFUNCTYPE(_I, _P, _P, _I)
_CLOSE: Final = ctypes.CFUNCTYPE(_I, _P)
_WRITE: Final = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_TRUNCATE: Final = ctypes.CFUNCTYPE(_I, _P, _L)
_SYNC: Final = ctypes.CFUNCTYPE(_I, _P, _I)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = [
        ("version", _I),
        ("file_size", _I),
        ("longest_path", _I),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _P),
        ("delete", _P),
        *[(f"method_{number}", _P) for number in range(14)],
    ]


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = [
        ("version", _I),
        ("close", _P),
        ("read", _P),
        ("write", _P),
        ("truncate", _P),
        ("sync", _P),
        *[(f"method_{number}", _P) for number in range(13)],
    ]


class _File(ctypes.Structure):
    """`sqlite3_file`: the rest of it is the VFS's own."""

    _fields_ = [("methods", ctypes.POINTER(_Methods))]


class UnreachableSqliteError(Exception):
    """This Python hides the functions of its SQLite, as one that is linked statically may."""


class Recorder:
    """The operations on one folder; what a caller was promised is noted between them."""

    def __init__(self) -> None:
        self.folder = ""
        self.operations: list[Operation] = []
        self.faults: list[BaseException] = []
        self.room: int | None = None
        """Bytes by which the files may still grow, None for a disk without end; beyond that it is full."""
        self.freed: Callable[[], int] = int
        """Bytes that were freed on the disk past SQLite."""
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}

    def begin(self, folder: Path) -> None:
        """Forget everything and watch this folder, whose files are durable."""
        with self._lock:
            self.folder = f"{folder.resolve()}/"
            self.operations = []
            self.room, self.freed = None, int
            self._sizes = {path.name: path.stat().st_size for path in folder.iterdir()}

    @property
    def now(self) -> int:
        """How many operations there were: an instant of this disk."""
        return len(self.operations)

    def name_of(self, path: str) -> str | None:
        """Return the name of a watched file."""
        name = path.removeprefix(self.folder)
        return name if self.folder and path.startswith(self.folder) and not name.endswith("-shm") else None

    def opened(self, name: str) -> None:
        """A file is open, a new one perhaps."""
        with self._lock:
            if name not in self._sizes:
                self._sizes[name] = 0
                self.operations.append(Create(name))

    def has_room(self, name: str, end: int) -> bool:
        """Whether a file may be written up to this offset."""
        return self.room is None or end - self._sizes.get(name, 0) <= self.room + self.freed()

    def note(self, operation: Operation) -> None:
        """Something happened to a file."""
        name = operation.name
        with self._lock:
            before = self._sizes.get(name, 0)
            match operation:
                case Write(offset=offset, data=data):
                    self._sizes[name] = max(before, offset + len(data))
                case Truncate(size=size):
                    self._sizes[name] = size
                case Delete():
                    del self._sizes[name]
                case _:
                    pass
            if self.room is not None:
                self.room -= self._sizes.get(name, 0) - before
            self.operations.append(operation)


class _Shim:
    """The recording VFS over SQLite's own; lives as long as the process once it was registered."""

    def __init__(self, library: Any) -> None:
        self.recorder = Recorder()
        self._library = library
        self._open_files: dict[int, tuple[str, str]] = {}
        self._methods: dict[int, tuple[_Methods, Any]] = {}
        find, self._register, self._unregister = (
            getattr(library, f"sqlite3_vfs_{name}") for name in ("find", "register", "unregister")
        )
        find.restype = ctypes.POINTER(_Vfs)
        find.argtypes = [ctypes.c_char_p]
        self._register.argtypes = [ctypes.POINTER(_Vfs), _I]
        self._unregister.argtypes = [ctypes.POINTER(_Vfs)]
        below = find(None).contents
        self._below_open = _OPEN(below.open)
        self._below_delete = _DELETE(below.delete)
        self._own_open = _OPEN(self._opened)
        self._own_delete = _DELETE(self._deleted)
        self._vfs = _Vfs.from_buffer_copy(below)
        self._vfs.name = b"linli-recorder"
        self._vfs.next = None
        self._vfs.open = ctypes.cast(self._own_open, _P).value
        self._vfs.delete = ctypes.cast(self._own_delete, _P).value

    def register(self) -> None:
        """Become the VFS of every connection from now on."""
        self._register(ctypes.byref(self._vfs), 1)

    def unregister(self) -> None:
        """Let new connections go past again; those that are open stay recorded."""
        self._unregister(ctypes.byref(self._vfs))

    def _opened(self, vfs: int, path: int | None, file: int, flags: int, out: int) -> int:
        result: int = self._below_open(vfs, path, file, flags, out)
        self._open_files.pop(file, None)
        try:
            name = None if path is None or result != _OK else self._watched(path)
            if name is not None:
                self.recorder.opened(name)
                self._open_files[file] = (self.recorder.folder, name)
                handle = _File.from_address(file)
                handle.methods = ctypes.pointer(self._recording(handle.methods.contents))
        except Exception as error:  # noqa: BLE001 an exception ends in ctypes; the run asks for it
            self.recorder.faults.append(error)
            return _IOERR
        return result

    def _deleted(self, vfs: int, path: int, sync_folder: int) -> int:
        result: int = self._below_delete(vfs, path, sync_folder)
        name = self._watched(path)
        if name is not None and result == _OK:
            self.recorder.note(Delete(name, durable=bool(sync_folder)))
        return result

    def _recording(self, below: _Methods) -> _Methods:
        """Return the methods of this kind of file with ours in the place of those that change something."""
        address = ctypes.addressof(below)
        if address not in self._methods:
            own = _Methods.from_buffer_copy(below)
            write_below, truncate_below, close_below = (
                _WRITE(below.write),
                _TRUNCATE(below.truncate),
                _CLOSE(below.close),
            )

            def write(file: int, data: int, size: int, offset: int) -> int:
                name = self._name(file)
                if name is not None and not self.recorder.has_room(name, offset + size):
                    return _FULL
                result: int = write_below(file, data, size, offset)
                if result == _OK and name is not None:
                    self.recorder.note(Write(name, offset, ctypes.string_at(data, size)))
                return result

            def truncate(file: int, size: int) -> int:
                result: int = truncate_below(file, size)
                if result == _OK and (name := self._name(file)) is not None:
                    self.recorder.note(Truncate(name, size))
                return result

            def sync(file: int, flags: int) -> int:
                if (name := self._name(file)) is not None:
                    self.recorder.note(Sync(name))
                return _OK

            def close(file: int) -> int:
                self._open_files.pop(file, None)
                return close_below(file)

            callbacks = (_WRITE(write), _TRUNCATE(truncate), _SYNC(sync), _CLOSE(close))
            own.write, own.truncate, own.sync, own.close = (ctypes.cast(each, _P).value for each in callbacks)
            self._methods[address] = (own, callbacks)
            self._methods[ctypes.addressof(own)] = (own, callbacks)
        return self._methods[address][0]

    def _watched(self, path: int) -> str | None:
        return self.recorder.name_of(ctypes.string_at(path).decode())

    def _name(self, file: int) -> str | None:
        """Return the name of an open file; None for one of a folder that is watched no more."""
        folder, name = self._open_files.get(file, ("", ""))
        return name if folder and folder == self.recorder.folder else None


_shims: list[_Shim] = []


@contextmanager
def recording() -> Generator[Recorder]:
    """Have every connection of this process that is opened meanwhile recorded; raises UnreachableSqliteError."""
    if not _shims:
        _shims.append(_Shim(_library()))
    shim = _shims[0]
    shim.recorder.folder, shim.recorder.operations, shim.recorder.faults = "", [], []
    shim.register()
    try:
        yield shim.recorder
    finally:
        shim.unregister()
        shim.recorder.folder = ""
    if shim.recorder.faults:
        raise shim.recorder.faults[0]


def _library() -> Any:
    """Return the SQLite library that Python's `sqlite3` calls."""
    import _sqlite3

    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    if not hasattr(library, "sqlite3_vfs_register"):
        raise UnreachableSqliteError("this Python's SQLite is linked statically and cannot be recorded")
    return library
