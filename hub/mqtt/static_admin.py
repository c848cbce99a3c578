"""Broker users as files for mosquitto's `password_file` and `acl_file`, which it reads again at SIGHUP."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from hub.access.broker import NodeCredential

_ROUNDS: Final = 101
"""As mosquitto hashes: enough for 256 random bits, and only for them."""
_SALT_BYTES: Final = 12


class StaticAdmin:
    """Keeps `passwords` and `acl` in one folder; the broker takes them at its next SIGHUP."""

    def __init__(self, folder: Path, *, random_bytes: Callable[[int], bytes]) -> None:
        """Keep the files in `folder`, which is made for its owner; `random_bytes` salts the hashes."""
        self._passwords = folder / "passwords"
        self._acl = folder / "acl"
        self._random_bytes = random_bytes
        self._turn = Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def admit_hub(self, names: Sequence[str], *, publish: Sequence[str], subscribe: Sequence[str]) -> Mapping[str, str]:
        """Return no passwords: the hub connects as the user of its address, which the broker's owner makes."""
        del names, publish, subscribe
        return {}

    def create_node(self, credential: NodeCredential) -> None:
        """Write the node's two users and what they may do."""
        self._change(
            credential.usernames,
            {name: self._hashed(credential.password) for name in credential.usernames},
            dict.fromkeys(credential.usernames, (credential.publish, credential.subscribe)),
        )

    def remove_node(self, usernames: Sequence[str]) -> None:
        """Take the users out of both files."""
        self._change(usernames, {}, {})

    def close(self) -> None:
        """Hold nothing."""

    def _change(self, gone: Sequence[str], hashes: Mapping[str, str], filters: Mapping[str, tuple[str, str]]) -> None:
        with self._turn:
            kept = [line for line in _lines(self._passwords) if line.partition(":")[0] not in gone]
            _replace(self._passwords, [*kept, *(f"{name}:{hashed}" for name, hashed in hashes.items())])
            blocks = [block for block in _blocks(self._acl) if block[0].removeprefix("user ") not in gone]
            blocks += [
                [f"user {name}", f"topic write {publish}", f"topic read {subscribe}"]
                for name, (publish, subscribe) in filters.items()
            ]
            _replace(self._acl, [line for block in blocks for line in (*block, "")])

    def _hashed(self, password: str) -> str:
        salt = self._random_bytes(_SALT_BYTES)
        derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
        return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _blocks(path: Path) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in _lines(path):
        if line.startswith("user "):
            blocks.append([line])
        elif line and blocks:
            blocks[-1].append(line)
    return blocks


def _replace(path: Path, lines: Sequence[str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    fresh.replace(path)
