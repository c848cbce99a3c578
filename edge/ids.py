"""The edge's only source of new identifiers."""

import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

KERNEL_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
MACHINE_SOURCES: Final = (Path("/proc/device-tree/serial-number"), Path("/etc/machine-id"))
"""A machine's identity: a Raspberry Pi's serial number, which survives a new card, else the installed system's id."""


def new_epoch() -> str:
    """Return 16 random hex digits for a new outbox file."""
    return secrets.token_hex(8)


def new_ref(device: str) -> str:
    """Return a reference for one occurrence of a device that has no id of its own for it."""
    return f"{device}:{secrets.token_hex(6)}"


def boot_of(data_dir: Path, *, kernel: Path = KERNEL_BOOT_ID) -> str:
    """Return this boot's 16 hex digits: the kernel's random boot id, told apart by data directory.

    Uptimes are the kernel's, so a restarted agent is still in the same boot; a copy of its data directory is not.
    """
    try:
        boot_id = kernel.read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(8)
    return sha256(f"{boot_id} {data_dir.resolve()}".encode()).hexdigest()[:16]


def machine_of(sources: tuple[Path, ...] = MACHINE_SOURCES) -> str | None:
    """Return the serial or installation id of this machine; None where it has neither."""
    for source in sources:
        try:
            text = source.read_text(encoding="ascii", errors="replace").strip("\0\n ")
        except OSError:
            continue
        if text:
            return text[:128]
    return None
