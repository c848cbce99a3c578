"""The hub's settings: one flat set of names, by environment (`LINLI_…`), by file for secrets, by one TOML file."""

import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hub.errors import InvalidError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

PREFIX: Final = "LINLI_"
WATCHDOG_PREFIX: Final = "LINLI_WATCHDOG_"
_MQTT_URL: Final = re.compile(r"mqtts?://[^\s/]+/?$")
_DATABASE_URL: Final = re.compile(r"(postgresql|sqlite)(\+\w+)?://\S*$")


class BrokerAdminKind(StrEnum):
    """How the hub makes credentials for nodes."""

    NONE = "none"
    DYNSEC = "dynsec"
    STATIC = "static"


class MqttVersion(StrEnum):
    """What the hub speaks with its broker."""

    V3 = "3.1.1"
    V5 = "5"


class Environment(StrEnum):
    """What the hub is run for."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    SIMULATION = "simulation"


class ClockKind(StrEnum):
    """Where the hub takes its time from."""

    WALL = "wall"
    MESSAGES = "messages"


class _Layered(BaseSettings):
    """Settings of one process: the environment wins over a secret's file, and that over the TOML file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        prefix = settings_cls.model_config.get("env_prefix", "")
        toml = InitSettingsSource(settings_cls, _from_toml(f"{prefix}CONFIG"))
        return init_settings, env_settings, InitSettingsSource(settings_cls, _from_files(settings_cls, prefix)), toml


class Settings(_Layered):
    """Everything that can be set; the environment wins over the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(
        default=Path("linli-data"), description="Folder for state, telemetry and secrets; one process at a time."
    )
    http_host: str = Field(default="127.0.0.1", description="Address that REST and pages are served on.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port of REST and pages; 0 takes a free one.")
    mqtt_url: SecretStr = Field(
        default=SecretStr("mqtt://127.0.0.1:1883"),
        description="The broker; with dynsec its administrator: mqtt://user:password@host.",
    )
    mqtt_ca: Path | None = Field(
        default=None,
        description="PEM file of the authority behind an mqtts broker; default the system's authorities.",
    )
    mqtt_url_2: SecretStr | None = Field(
        default=None,
        description="A second broker for calls for help alone, with the hub's user there: "
        "mqtt://user:password@host; its users are its owner's business.",
    )
    mqtt_ca_2: Path | None = Field(
        default=None, description="PEM file of the authority behind an mqtts broker in mqtt_url_2."
    )
    broker_url: str | None = Field(
        default=None, description="The broker as nodes reach it, where that differs from mqtt_url."
    )
    broker_admin: BrokerAdminKind = Field(
        default=BrokerAdminKind.DYNSEC, description="How node credentials are made: dynsec, static files, or none."
    )
    mqtt_version: MqttVersion = Field(
        default=MqttVersion.V3, description="What the hub speaks with the broker: 3.1.1, or 5 where it knows no other."
    )
    database_url: SecretStr | None = Field(
        default=None, description="State database; default a SQLite file in data_dir, or postgresql://…"
    )
    influx_url: str | None = Field(
        default=None, description="InfluxDB for telemetry; default a SQLite file in data_dir."
    )
    influx_token: SecretStr | None = Field(default=None, description="Token (2.x, 3.x) or user:password (1.8).")
    influx_org: str = Field(default="-", description="Organisation of InfluxDB 2.x.")
    influx_bucket: str = Field(
        default="linli", description="Bucket, or database of 1.8; whoever runs InfluxDB makes it."
    )
    admin_password: SecretStr | None = Field(
        default=None, description="Password of `admin`; none given: one is made and printed once."
    )
    probe_password: SecretStr | None = Field(
        default=None,
        description="Password of the watchdog's node at the broker; none given: no test presses are taken.",
    )
    hub_id: str = Field(
        default="hub", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name that acknowledgements carry."
    )
    environment: Environment = Field(
        default=Environment.PRODUCTION, description="production, development or simulation."
    )
    clock: ClockKind = Field(default=ClockKind.WALL, description="wall, or messages (simulation only).")

    @property
    def state_url(self) -> str:
        """Address of the state database: the configured one, else a SQLite file in the data directory."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'state.db'}"

    @field_validator("data_dir", "mqtt_ca", "mqtt_ca_2", mode="before")
    @classmethod
    def _no_empty_path(cls, value: object) -> object:
        if value == "":
            message = "must not be empty"
            raise ValueError(message)
        return value

    @field_validator("mqtt_url", "mqtt_url_2")
    @classmethod
    def _a_broker_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _MQTT_URL.match(value.get_secret_value()):
            message = "must be mqtt://[user:password@]host[:port] or mqtts://…"
            raise ValueError(message)
        return value

    @field_validator("database_url")
    @classmethod
    def _a_database_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _DATABASE_URL.match(value.get_secret_value()):
            message = "must be postgresql://[user:password@]host[:port]/database or sqlite:///path"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _simulated_time_only_in_simulation(self) -> "Settings":
        if self.clock is ClockKind.MESSAGES and self.environment is not Environment.SIMULATION:
            message = "clock: messages is refused unless environment is simulation"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _an_authority_only_for_tls(self) -> "Settings":
        if self.mqtt_ca is not None and not self.mqtt_url.get_secret_value().startswith("mqtts:"):
            message = "mqtt_ca: needs an mqtts:// address in mqtt_url"
            raise ValueError(message)
        second = "" if self.mqtt_url_2 is None else self.mqtt_url_2.get_secret_value()
        if self.mqtt_ca_2 is not None and not second.startswith("mqtts:"):
            message = "mqtt_ca_2: needs an mqtts:// address in mqtt_url_2"
            raise ValueError(message)
        return self


class WatchdogSettings(_Layered):
    """What `linli-hub watchdog` goes by: nothing of it comes from the hub, whose fate it must not share."""

    model_config = SettingsConfigDict(env_prefix=WATCHDOG_PREFIX, extra="forbid", frozen=True)

    tell: SecretStr = Field(
        description="Addresses of apprise, with blanks between: who is told. A webhook is jsons://host/path."
    )
    name: str = Field(default="linli", description="What its messages call this installation.")
    hub_url: str = Field(
        default="http://127.0.0.1:8080", pattern=r"^https?://\S+$", description="The hub, whose /readyz is asked."
    )
    mqtt_url: str = Field(
        default="mqtt://127.0.0.1:1883",
        pattern=r"^mqtts?://[^\s/@]+/?$",
        description="The broker as nodes reach it, without a user.",
    )
    mqtt_ca: Path | None = Field(default=None, description="PEM file of the authority behind an mqtts broker.")
    probe_password: SecretStr | None = Field(
        default=None, description="The same as the hub's `LINLI_PROBE_PASSWORD`; none given: no test presses are sent."
    )
    data_dir: Path = Field(default=Path("linli-watchdog"), description="Folder for what it must not forget.")
    probe_every_s: float = Field(default=30, ge=1, le=60, description="Seconds between test presses.")
    silent_s: float = Field(
        default=45, ge=3, le=3600, description="Seconds of silence after which people are told; above probe_every_s."
    )
    repeat_s: float = Field(default=900, ge=5, le=86_400, description="Seconds after which it is told again.")

    @model_validator(mode="after")
    def _a_press_fits_into_the_silence(self) -> "WatchdogSettings":
        if self.probe_password is not None and self.silent_s <= self.probe_every_s:
            message = "silent_s: must be above probe_every_s"
            raise ValueError(message)
        return self


def load_settings() -> Settings:
    """Return the settings of this process; raises InvalidError with every wrong key and its reason."""
    return _load(Settings, PREFIX)


def load_watchdog_settings() -> WatchdogSettings:
    """Return the settings of the watchdog; raises InvalidError with every wrong key and its reason."""
    return _load(WatchdogSettings, WATCHDOG_PREFIX)


def masked(settings: Settings) -> dict[str, Any]:
    """Return the settings as they may be shown: secrets as stars."""
    return settings.model_dump(mode="json")


def _load(kind: type[SettingsT], prefix: str) -> SettingsT:
    try:
        return kind()
    except ValidationError as error:
        parts = error.errors(include_url=False, include_input=False)
        raise InvalidError(*(_fault(part, prefix) for part in parts)) from None


def _from_toml(variable: str) -> dict[str, Any]:
    path = os.environ.get(variable)
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError((variable, f"cannot be read: {error}")) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidError((variable, f"{path} is no TOML: {error}")) from None


def _from_files(settings_class: type[BaseSettings], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in settings_class.model_fields:
        variable = f"{prefix}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if path:
            try:
                found[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidError((variable, f"cannot be read: {error}")) from None
    return found


def _fault(part: Any, prefix: str) -> tuple[str, str]:
    message = str(part["msg"]).removeprefix("Value error, ")
    location = ".".join(str(step) for step in part["loc"])
    if not location:
        location, _, message = message.partition(": ")
    if part["type"] == "extra_forbidden":
        message = "is not a setting"
    return f"{prefix}{location.upper()}", message
