"""Debian packages unpacked into the cache, as an ordinary user: nothing is installed."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from simulators.servers.cache import exclusive
from simulators.servers.errors import ServerMissing


def unpacked(entry: str, *, package: str, libraries: Sequence[str], probe: str) -> Path:
    """Return the cache folder that holds the package, its libraries and their missing dependencies; fetch them once.

    `probe` is a file of the package that shows the entry is complete. ServerMissing when apt cannot deliver.
    """
    with exclusive(entry) as root:
        if (root / probe).exists():
            return root
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise ServerMissing(f"{package} is not installed, and this is no Debian to fetch it from")
        print(f"Fetching {package} from Debian's packages, once", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"{entry}-", dir=root.parent) as workshop:
            archives, tree = Path(workshop) / "archives", Path(workshop) / "tree"
            archives.mkdir()
            wanted = sorted({package, *libraries, *_missing_dependencies(package)})
            _run(["apt-get", "download", *wanted], directory=archives)
            for archive in sorted(archives.glob("*.deb")):
                _run(["dpkg-deb", "-x", str(archive), str(tree)], directory=archives)
            if not (tree / probe).exists():
                raise ServerMissing(f"Debian's {package} has no {probe}")
            if root.exists():
                shutil.rmtree(root)
            tree.rename(root)
        return root


def library_path(root: Path) -> str:
    """Return the LD_LIBRARY_PATH under which the unpacked programs find their unpacked libraries."""
    folders = {library.parent for pattern in ("usr/lib/**/*.so.*", "lib/**/*.so.*") for library in root.glob(pattern)}
    return ":".join(sorted(map(str, folders)))


def _missing_dependencies(package: str) -> set[str]:
    """The libraries the package needs, directly or not, that this machine has not; empty when apt has no lists."""
    listing = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--important", package], capture_output=True, text=True, check=False
    ).stdout
    needed = {line.strip() for line in listing.splitlines() if line.startswith("lib")}
    if not needed:
        return set()
    status = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *sorted(needed)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    known = {line.split()[0] for line in status.splitlines() if line.endswith(" installed")}
    return _downloadable(needed - known)


def _downloadable(packages: set[str]) -> set[str]:
    """Those that apt can download: virtual and alternative ones may have nothing to download."""
    # One question for all: an ordinary user's apt-cache reads the whole of its lists at each start.
    policy = subprocess.run(
        ["apt-cache", "policy", *sorted(packages)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    candidates = re.findall(r"^(\S+):\n.*\n +Candidate: (.+)$", policy, re.MULTILINE)
    return {name for name, version in candidates if version != "(none)"}


def _run(command: Sequence[str], *, directory: Path) -> None:
    done = subprocess.run(
        command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no word of why"]
        raise ServerMissing(f"{command[0]} {command[1]} failed: {lines[-1]}")
