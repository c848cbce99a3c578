"""A real mosquitto on loopback: from PATH, else unpacked from Debian's packages; configured by docker/mosquitto."""

import base64
import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Self

from simulators.servers.cache import CHECKOUT
from simulators.servers.debian import library_path, unpacked
from simulators.servers.errors import ServerMissing
from simulators.servers.process import LOOPBACK
from simulators.servers.server import Launch, Server

APT_LINE = "sudo apt-get install -y mosquitto"
ADMIN = "admin"
TEMPLATES = CHECKOUT / "docker" / "mosquitto"
_PACKAGES = ("libmosquitto1", "libcjson1", "libdlt2", "libwrap0")
_PLUGIN = "mosquitto_dynamic_security.so"
_HASH_ITERATIONS = 101
_SALT_BYTES = 12


class BrokerAuth(StrEnum):
    """Who may connect: users of the dynamic-security plugin, or everybody."""

    DYNSEC = "dynsec"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class MosquittoProgram:
    """The executable, its dynamic-security plugin, and the environment both need."""

    executable: Path
    plugin: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def find_mosquitto() -> MosquittoProgram:
    """Return mosquitto of this machine, else of the cache; ServerMissing names the apt line."""
    installed = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if installed is not None:
        plugin = _find_plugin(Path("/"))
        if plugin is not None:
            return MosquittoProgram(Path(installed), plugin)
    try:
        return unpacked_mosquitto()
    except ServerMissing as reason:
        raise ServerMissing(
            f"no mosquitto with its dynamic-security plugin ({reason}); install it: {APT_LINE}"
        ) from reason


def unpacked_mosquitto() -> MosquittoProgram:
    """Return mosquitto unpacked from Debian's packages into the cache, fetched at the first call."""
    root = unpacked("mosquitto-debian", package="mosquitto", libraries=_PACKAGES, probe="usr/sbin/mosquitto")
    plugin = _find_plugin(root)
    if plugin is None:
        raise ServerMissing(f"Debian's mosquitto has no {_PLUGIN}")
    program = MosquittoProgram(root / "usr/sbin/mosquitto", plugin, {"LD_LIBRARY_PATH": library_path(root)})
    said = subprocess.run(
        [program.executable, "-h"],
        env={**os.environ, **program.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "mosquitto version" not in said.stdout:
        raise ServerMissing(f"the unpacked mosquitto does not run: {said.stderr.strip()}")
    return program


class MosquittoServer(Server):
    """A mosquitto on loopback; leaving the `with` block stops it."""

    scheme = "mqtt"

    def __init__(
        self,
        directory: Path,
        *,
        auth: BrokerAuth = BrokerAuth.DYNSEC,
        persistence: bool = False,
        program: MosquittoProgram | None = None,
    ) -> None:
        super().__init__(directory)
        self._program = program
        self._persistence = persistence
        self.auth = auth
        self.admin_username = ADMIN
        self.admin_password = secrets.token_urlsafe(32)

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        port: int | None = None,
        auth: BrokerAuth = BrokerAuth.DYNSEC,
        persistence: bool = False,
        program: MosquittoProgram | None = None,
    ) -> Self:
        """Start a broker on 127.0.0.1 (a free port unless one is given) that keeps its files in `directory`."""
        program = program or find_mosquitto()
        return cls(directory, auth=auth, persistence=persistence, program=program).launch(port)

    @property
    def admin_url(self) -> str:
        """The address with the credentials of the broker's administrator (dynsec only)."""
        return f"{self.scheme}://{self.admin_username}:{self.admin_password}@{LOOPBACK}:{self.port}"

    @property
    def dynsec_file(self) -> Path:
        """Where the plugin keeps its identities."""
        return self.directory / "dynamic-security.json"

    def launch(self, port: int | None = None) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.auth is BrokerAuth.DYNSEC:
            _write_private(self.dynsec_file, dynamic_security(self.admin_username, self.admin_password))
        return super().launch(port)

    def configure(self, port: int) -> Launch:
        program = self._program or find_mosquitto()
        configuration = self.directory / "mosquitto.conf"
        text = _template(f"{self.auth}.conf").substitute(
            address=LOOPBACK,
            port=port,
            plugin=program.plugin,
            dynsec_file=self.dynsec_file,
            directory=self.directory,
            persistence=str(self._persistence).lower(),
        )
        _write_private(configuration, text)
        return Launch([str(program.executable), "-c", str(configuration)], program.environment)


def dynamic_security(username: str, password: str) -> str:
    """Return the plugin's first file: one administrator of identities, and nothing allowed by default."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ITERATIONS)
    return _template("dynamic-security.json").substitute(
        username=username, password_hash=base64.b64encode(digest).decode(), salt=base64.b64encode(salt).decode()
    )


def _template(name: str) -> Template:
    try:
        return Template((TEMPLATES / name).read_text())
    except FileNotFoundError as error:
        raise ServerMissing(f"docker/mosquitto/{name} comes with the repository, not with the wheel") from error


def _find_plugin(root: Path) -> Path | None:
    for pattern in (f"usr/lib/*/{_PLUGIN}", f"usr/lib/{_PLUGIN}", f"usr/local/lib/{_PLUGIN}", f"usr/lib64/{_PLUGIN}"):
        for found in sorted(root.glob(pattern)):
            return found
    return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whatever the umask and whatever stood there."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
