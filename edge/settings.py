"""The agent's configuration: one TOML file, every key known, every mistake named."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge.clock import ClockSource
from edge.errors import InvalidSettings
from protocols.readings import KINDS
from protocols.slug import ShortSlug, Slug

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of a broker's URL and their usual ports."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BrokerSettings(_Table):
    """Where the broker is and how the node shows who it is."""

    url: str = Field(description="`mqtt://host[:port]`, or `mqtts://host[:port]` with TLS.")
    password: str | None = Field(
        default=None, repr=False, description="The node's password; give this or `password_file`."
    )
    password_file: Path | None = Field(default=None, description="File that holds the password, and nothing else.")
    ca: Path | None = Field(
        default=None,
        description="PEM file of the authority behind an `mqtts` broker's certificate; default: the system's.",
    )

    @field_validator("url")
    @classmethod
    def _is_broker_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in PORTS:
            raise ValueError("must begin with mqtt:// or mqtts://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry a user or a password; use password_file")
        if not parts.hostname:
            raise ValueError("names no host")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must end after the port")
        if parts.port == 0:
            raise ValueError("port 0 is no port")
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.ca is not None and not self.tls:
            raise ValueError("ca needs an mqtts:// url")
        return self

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")


class OutboxSettings(_Table):
    """How much room the outbox may take; what is done is kept 72 h within it."""

    limit_mb: Annotated[int, Field(ge=8, le=1_000_000)] = Field(
        default=512, description="Largest size of the outbox; telemetry is thinned from 80 % on and evicted at 95 %."
    )
    min_free_mb: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=64,
        description="Room on the disk that the outbox leaves to others; below it telemetry makes way as at the limit.",
    )


class DeviceSettings(_Table):
    """One sensor, button or lamp, and the driver that speaks to it."""

    slug: Slug = Field(description="The device's slug in the hub's registry.")
    driver: str = Field(min_length=1, description="Name of an installed driver.")
    kind: str | None = Field(
        default=None, description="What its readings are, as `fill_level`; needed where the driver is a sensor."
    )
    interval_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = Field(
        default=60.0, description="Seconds between two readings."
    )
    dead_band: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict[str, float],
        description="Value → least change worth a record; empty: every reading is one.",
    )
    max_silence_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="With a dead band, longest time without a record."
    )
    options: dict[str, Any] = Field(default_factory=dict[str, Any], description="The driver's own options.")

    @field_validator("kind")
    @classmethod
    def _is_known_kind(cls, kind: str | None) -> str | None:
        if kind is not None and kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of reading; known: {', '.join(sorted(KINDS))}")
        return kind

    @model_validator(mode="after")
    def _stays_heard(self) -> Self:
        if self.dead_band and self.max_silence_s is None:
            raise ValueError("dead_band needs max_silence_s, or a silent sensor looks like a dead one")
        return self


class EdgeSettings(_Table):
    """The whole file."""

    site: ShortSlug = Field(description="The site's slug.")
    node: ShortSlug = Field(description="This node's slug.")
    data_dir: Path = Field(description="Folder of the outbox; one agent a folder.")
    broker: BrokerSettings
    hub_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="The home hub's name; without it the first hub that answers is home.",
    )
    clock: ClockSource = Field(
        default=ClockSource.AUTO,
        description="Whose time counts: `auto` (the system's once it is set, until then the hub's), `system`, `hub`.",
    )
    self_device: Slug | None = Field(
        default=None,
        description="Device under which the agent reports its own trouble; without it that is only logged.",
    )
    outbox: OutboxSettings = OutboxSettings()
    devices: tuple[DeviceSettings, ...] = Field(default=(), description="What hangs on this node.")

    @model_validator(mode="after")
    def _slugs_differ(self) -> Self:
        seen: set[str] = set()
        for device in self.devices:
            if device.slug in seen:
                raise ValueError(f"devices: slug {device.slug!r} stands twice")
            seen.add(device.slug)
        return self


def load_settings(path: Path) -> EdgeSettings:
    """Read the file; relative paths in it start at its folder. Raises InvalidSettings with every mistake."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InvalidSettings(str(path), [("", error.strerror or str(error))]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(str(path), [("", f"is no TOML: {error}")]) from error
    return parse_settings(table, source=str(path), base_dir=path.parent)


def parse_settings(table: dict[str, Any], *, source: str, base_dir: Path) -> EdgeSettings:
    """Check a parsed file; raises InvalidSettings with every mistake."""
    try:
        settings = EdgeSettings.model_validate(table)
    except ValidationError as error:
        problems = [(_key(item["loc"]), _reason(item["type"], item["msg"])) for item in error.errors(include_url=False)]
        raise InvalidSettings(source, problems) from error
    broker = settings.broker
    found = broker.model_copy(
        update={
            "password_file": broker.password_file and base_dir / broker.password_file,
            "ca": broker.ca and base_dir / broker.ca,
        }
    )
    return settings.model_copy(update={"data_dir": base_dir / settings.data_dir, "broker": found})


def read_password(settings: EdgeSettings, *, source: str) -> str | None:
    """Return the node's password, None for a broker without users; raises InvalidSettings for a file it cannot use."""
    broker = settings.broker
    if broker.password_file is None:
        return broker.password
    try:
        password = broker.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{broker.password_file}: {getattr(error, 'strerror', None) or error}"
        raise InvalidSettings(source, [("broker.password_file", reason)]) from error
    if not password:
        raise InvalidSettings(source, [("broker.password_file", f"{broker.password_file} is empty")])
    return password


def check_ca(settings: EdgeSettings, *, source: str) -> None:
    """Raise InvalidSettings where the authority's file cannot be read."""
    ca = settings.broker.ca
    if ca is not None and not os.access(ca, os.R_OK):
        raise InvalidSettings(source, [("broker.ca", f"{ca} cannot be read")])


def _key(location: tuple[int | str, ...]) -> str:
    key = ""
    for step in location:
        key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else step
    return key


def _reason(kind: str, text: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "is missing"
    return text.removeprefix("Value error, ")
