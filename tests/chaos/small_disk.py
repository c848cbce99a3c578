"""A disk that is really small and really fills: a memory file system in a name space of its own, else SQLite's word."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from edge.outbox.reserve import BYTES as RESERVE_BYTES
from edge.outbox.reserve import NAME as RESERVE
from tests.chaos.power_cut.recorder import Recorder

DISK_MB: Final = 24
_MODULE: Final = "tests.chaos.outbox_full"
_ENDS_WITHIN_S: Final = 600


class SmallDisk(Protocol):
    """A folder on a disk that others can fill."""

    folder: Path

    def free_bytes(self) -> int: ...
    def fill(self) -> None:
        """Let others take all the room there is, but what the outbox keeps in reserve."""
        ...

    def fill_reserve(self) -> None:
        """Let the reserve be gone too, and its room taken."""
        ...

    def empty(self) -> None:
        """Have the others give everything back."""
        ...


class MountedDisk:
    """A mounted file system of its own."""

    kind: Final = f"a file system of {DISK_MB} MB"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._others = folder / "others"

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self) -> None:
        with self._others.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\xa5" * size):
                        pass
                except OSError:
                    continue

    def fill_reserve(self) -> None:
        (self.folder / RESERVE).unlink(missing_ok=True)
        self.fill()

    def empty(self) -> None:
        self._others.unlink(missing_ok=True)


class RecordedDisk:
    """Any folder, of whose room SQLite is told; where nothing may be mounted."""

    kind: Final = "a disk whose room SQLite is told"

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self.folder, self._recorder = folder, recorder
        recorder.begin(folder)

    def free_bytes(self) -> int:
        return 10 << 30 if self._recorder.room is None else 0

    def fill(self) -> None:
        self._recorder.room = 0
        reserve = self.folder / RESERVE
        self._recorder.freed = lambda: 0 if reserve.exists() else RESERVE_BYTES

    def fill_reserve(self) -> None:
        (self.folder / RESERVE).unlink(missing_ok=True)
        self._recorder.room, self._recorder.freed = 0, int

    def empty(self) -> None:
        self._recorder.room, self._recorder.freed = None, int


def on_a_mounted_disk(seed: int, fault: str) -> dict[str, Any] | None:
    """Run the play in a process that has such a disk; None where none may be mounted."""
    with TemporaryDirectory(prefix="linli-disk-") as name:
        answer = Path(name, "answer.json")
        disk = Path(name, "disk")
        disk.mkdir()
        mount = f'mount -t tmpfs -o size={DISK_MB}m,mode=700 tmpfs "$1" && shift && exec "$@"'
        spaces = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(disk))
        try:
            if subprocess.run([*spaces, "true"], capture_output=True, check=False).returncode:
                return None
        except FileNotFoundError:
            return None
        command = (sys.executable, "-m", _MODULE, str(seed), str(disk), str(answer), fault)
        subprocess.run([*spaces, *command], check=True, timeout=_ENDS_WITHIN_S, env=os.environ)
        found: dict[str, Any] = json.loads(answer.read_text())
        return found
