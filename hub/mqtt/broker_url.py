"""Broker addresses: `mqtt://user:password@host:port`, or `mqtts://` for TLS."""

import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from paho.mqtt.client import Client

from hub.errors import ConfigurationError

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where the broker is and who connects."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    ca: Path | None = None
    """Where the authority behind the broker's certificate is, if it is not one of the system's."""

    @classmethod
    def parse(cls, text: str, *, ca: Path | None = None, setting: str = "LINLI_MQTT_URL") -> "BrokerUrl":
        """Return the parts of a broker address; raise ConfigurationError, which names `setting`, where it is none."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            message = f"{setting}: {error}"
            raise ConfigurationError(message) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            message = f"{setting}: must be mqtt://host[:port] or mqtts://host[:port]"
            raise ConfigurationError(message)
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            parts.scheme == "mqtts",
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            ca,
        )

    def secure(self, client: Client) -> None:
        """Have a client use TLS where the address asks for it; raises ConfigurationError for an unusable authority."""
        if self.tls:
            client.tls_set_context(self._authorities())  # pyright: ignore[reportUnknownMemberType] untyped

    def as_user(self, username: str | None, password: str | None) -> "BrokerUrl":
        """Return the same broker for another user."""
        return replace(self, username=username, password=password)

    @property
    def public(self) -> str:
        """The address without any user, as nodes are told it."""
        scheme = "mqtts" if self.tls else "mqtt"
        host = f"[{self.host}]" if ":" in self.host else quote(self.host)
        return f"{scheme}://{host}:{self.port}"

    def _authorities(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except OSError as error:
            message = f"LINLI_MQTT_CA: {self.ca} holds no certificate that can be read: {error.strerror or error}"
            raise ConfigurationError(message) from None
