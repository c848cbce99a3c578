"""The hub's settings: one flat set of names, by environment (`LINLI_…`), by file for secrets, by one TOML file."""

import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hub.errors import InvalidError

PREFIX: Final = "LINLI_"
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


class Settings(BaseSettings):
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
    hub_id: str = Field(
        default="hub", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name that acknowledgements carry."
    )
    environment: Environment = Field(
        default=Environment.PRODUCTION, description="production, development or simulation."
    )
    clock: ClockKind = Field(default=ClockKind.WALL, description="wall, or messages (simulation only).")

    @field_validator("data_dir", "mqtt_ca", mode="before")
    @classmethod
    def _no_empty_path(cls, value: object) -> object:
        if value == "":
            message = "must not be empty"
            raise ValueError(message)
        return value

    @field_validator("mqtt_url")
    @classmethod
    def _a_broker_address(cls, value: SecretStr) -> SecretStr:
        if not _MQTT_URL.match(value.get_secret_value()):
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
        return self

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
        toml = InitSettingsSource(settings_cls, _from_toml(os.environ.get(f"{PREFIX}CONFIG")))
        return init_settings, env_settings, InitSettingsSource(settings_cls, _from_files(settings_cls)), toml


def load_settings() -> Settings:
    """Return the settings of this process; raises InvalidError with every wrong key and its reason."""
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidError(*(_fault(part) for part in error.errors(include_url=False, include_input=False))) from None


def masked(settings: Settings) -> dict[str, Any]:
    """Return the settings as they may be shown: secrets as stars."""
    return settings.model_dump(mode="json")


def _from_toml(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError((f"{PREFIX}CONFIG", f"cannot be read: {error}")) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidError((f"{PREFIX}CONFIG", f"{path} is no TOML: {error}")) from None


def _from_files(settings_class: type[BaseSettings]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in settings_class.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if path:
            try:
                found[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidError((variable, f"cannot be read: {error}")) from None
    return found


def _fault(part: Any) -> tuple[str, str]:
    message = str(part["msg"]).removeprefix("Value error, ")
    location = ".".join(str(step) for step in part["loc"])
    if not location:
        location, _, message = message.partition(": ")
    if part["type"] == "extra_forbidden":
        message = "is not a setting"
    return f"{PREFIX}{location.upper()}", message
