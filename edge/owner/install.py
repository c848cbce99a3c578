"""`linli-edge install-service`: put the agent under systemd, or take it away."""

import grp
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from edge.app import Configured, build_devices
from edge.clock import Clock
from edge.errors import EdgeError
from edge.owner.hands import wanted_groups
from edge.owner.service import (
    UNIT_PATH,
    USER,
    Delete,
    Placement,
    Run,
    Step,
    Write,
    install_steps,
    known_groups,
    remove_steps,
)

Say = Callable[[str], None]


def installation(configured: Configured) -> tuple[Placement, tuple[str, ...]]:
    """Where the agent is and what it needs, and the groups that this system lacks; raises InvalidSettings as `run`."""
    build_devices(configured, clock=Clock(configured.settings.clock), inbox=SimpleQueue())
    broker = configured.settings.broker
    there, missing = known_groups(wanted_groups(configured), (group.gr_name for group in grp.getgrall()))
    readable = tuple(path.resolve() for path in (broker.password_file,) if path is not None)
    placement = Placement(
        program=_program(),
        interpreter=Path(sys.executable).resolve(),
        config=configured.path.resolve(),
        data_dir=configured.settings.data_dir.resolve(),
        groups=there,
        readable=readable,
    )
    return placement, missing


def steps_to_install(placement: Placement) -> list[Step]:
    """What installing takes on this machine."""
    return install_steps(placement, user_exists=any(user.pw_name == USER for user in pwd.getpwall()))


def steps_to_remove() -> list[Step]:
    """What removing takes on this machine; raises EdgeError where nothing is installed."""
    if not UNIT_PATH.exists():
        raise EdgeError(f"{UNIT_PATH} is not there: nothing to remove")
    return remove_steps()


def take(steps: list[Step], *, say: Say) -> None:
    """Take the steps, as root; raises EdgeError with the command that failed and what it said."""
    for step in steps:
        match step:
            case Run(command=command, may_fail=may_fail):
                say(f"$ {' '.join(command)}")
                _run(command, may_fail=may_fail)
            case Write(path=path, text=text):
                say(f"writes {path}")
                path.write_text(text, encoding="utf-8")
                path.chmod(0o644)
            case Delete(path=path):
                say(f"deletes {path}")
                path.unlink(missing_ok=True)


def _program() -> Path:
    """The `linli-edge` that belongs to this Python."""
    beside = Path(sys.prefix) / "bin" / "linli-edge"
    found = shutil.which("linli-edge")
    return beside if beside.exists() or found is None else Path(found)


def _run(command: tuple[str, ...], *, may_fail: bool) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own fixed steps
    except OSError as error:
        raise EdgeError(f"{command[0]}: {error.strerror}") from error
    if done.returncode and not may_fail:
        raise EdgeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip() or done.returncode}")
