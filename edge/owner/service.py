"""The agent under systemd: its unit, its user, and the steps that put both in place or take them away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNIT: Final = "linli-edge.service"
UNIT_PATH: Final = Path("/etc/systemd/system") / UNIT
USER: Final = "linli-edge"
_STATE_ROOT: Final = Path("/var/lib")
_UNSEEN: Final = (Path("/home"), Path("/root"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 named to be refused
"""What ProtectHome and PrivateTmp take away."""
_DEVICES: Final = {
    "gpio": ("char-gpiochip rw", "/dev/gpiomem rw"),
    "spi": ("char-spi rw",),
    "i2c": ("char-i2c rw",),
    "dialout": ("char-ttyAMA rw", "char-ttyS rw", "char-ttyUSB rw", "char-ttyACM rw"),
}
"""Group of the system → the device nodes that its members may open."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the agent is and what it needs; `groups` are those of the drivers that are configured, and exist here."""

    program: Path
    interpreter: Path
    config: Path
    data_dir: Path
    groups: tuple[str, ...]
    readable: tuple[Path, ...] = ()
    """Files beside the configuration that the agent reads: its password, its authority."""

    def faults(self) -> list[str]:
        """Why the agent could not run from there as a user of its own."""
        return [
            f"{what} {path} is in a folder that the service cannot see: {remedy}"
            for what, path, remedy in (
                ("program", self.program, "install into /opt, as docs/edge.md says"),
                ("Python", self.interpreter, "make the environment with the system's python3"),
                ("configuration", self.config, "move it to /etc/linli"),
                ("data_dir", self.data_dir, "name one under /var/lib"),
            )
            if any(path.is_relative_to(hidden) for hidden in _UNSEEN)
        ]


@dataclass(frozen=True, slots=True)
class Run:
    """A command of the system; where it `may_fail` its failure changes nothing."""

    command: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A file with this text."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file that goes."""

    path: Path


Step = Run | Write | Delete


def unit_text(placement: Placement) -> str:
    """The unit: told when ready, watched, restarted for ever, and allowed nothing but its folder and its devices."""
    devices = [node for group in placement.groups for node in _DEVICES.get(group, ())]
    lines = [
        f"# Written by: linli-edge install-service --config {placement.config}",
        "[Unit]",
        "Description=Linli's edge agent: reads the sensors of this node and brings their word to the hub",
        "Wants=network-online.target",
        "After=network-online.target",
        "# People call for help through this: it never gives up coming back.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=30",
        f"User={USER}",
        f"Group={USER}",
        *([f"SupplementaryGroups={' '.join(placement.groups)}"] if placement.groups else []),
        f"ExecStart={placement.program} run --config {placement.config}",
        *_folder_lines(placement.data_dir),
        "# The GPIO library puts a pipe into the folder it runs in.",
        f"WorkingDirectory={placement.data_dir}",
        "Restart=always",
        "RestartSec=2",
        "# A wrong configuration waits for a person, not for the next attempt.",
        "RestartPreventExitStatus=2",
        "# A Pi loads Python in seconds; the first start on a slow card takes longer.",
        "TimeoutStartSec=120",
        "TimeoutStopSec=15",
        "",
        *_HARDENING,
        *_device_lines(devices),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def install_steps(placement: Placement, *, user_exists: bool) -> list[Step]:
    """What installing takes, in order."""
    steps: list[Step] = []
    if not user_exists:
        make = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(placement.data_dir))
        steps.append(Run((*make, "--shell", "/usr/sbin/nologin", USER)))
    steps.append(Run(("install", "-d", "-o", USER, "-g", USER, "-m", "0700", str(placement.data_dir))))
    steps.append(Run(("chown", "-R", f"{USER}:{USER}", str(placement.data_dir))))
    for path in (placement.config, *placement.readable):
        steps += [Run(("chgrp", USER, str(path))), Run(("chmod", "0640", str(path)))]
    steps += [
        Write(UNIT_PATH, unit_text(placement)),
        Run(("systemctl", "daemon-reload")),
        Run(("systemctl", "enable", UNIT)),
        Run(("systemctl", "restart", UNIT)),
    ]
    return steps


def remove_steps() -> list[Step]:
    """What removing takes: the unit goes, the user and its outbox stay."""
    return [
        Run(("systemctl", "disable", "--now", UNIT), may_fail=True),
        Delete(UNIT_PATH),
        Run(("systemctl", "daemon-reload")),
    ]


def told(steps: Iterable[Step]) -> list[str]:
    """The steps as a person would do them."""
    lines: list[str] = []
    for step in steps:
        match step:
            case Run(command=command):
                lines.append(f"$ {' '.join(command)}")
            case Write(path=path, text=text):
                lines += [f"# write {path}", *(f"    {line}".rstrip() for line in text.splitlines())]
            case Delete(path=path):
                lines.append(f"$ rm -f {path}")
    return lines


def known_groups(wanted: Iterable[str], existing: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups that are wanted and exist, and those that are wanted and do not: a unit that names one cannot start."""
    there = set(existing)
    ordered = sorted(set(wanted))
    return tuple(name for name in ordered if name in there), tuple(name for name in ordered if name not in there)


def _folder_lines(data_dir: Path) -> Sequence[str]:
    if data_dir.parent == _STATE_ROOT:
        return [f"StateDirectory={data_dir.name}", "StateDirectoryMode=0700"]
    return [f"ReadWritePaths={data_dir}"]


def _device_lines(devices: Sequence[str]) -> Sequence[str]:
    if not devices:
        return ["PrivateDevices=yes", "DevicePolicy=closed"]
    return ["DevicePolicy=closed", *(f"DeviceAllow={device}" for device in devices)]


_HARDENING: Final = (
    "UMask=0077",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateMounts=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "# The board's serial number and the boot's id are read under /proc.",
    "ProcSubset=all",
    "RemoveIPC=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "# Asks whether a time service keeps the clock; setting it takes a capability that nobody has here.",
    "SystemCallFilter=adjtimex clock_adjtime",
    "SystemCallErrorNumber=EPERM",
)
