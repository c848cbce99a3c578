"""Why there is no connection to a broker, in words that tell TLS, refusal and silence apart."""

import errno
import socket
import ssl
from typing import Final

import structlog

log = structlog.get_logger("hub.mqtt")

HANGS_UP: Final = (
    "it hangs up without an answer: it wants TLS (mqtts:// and its port), or speaks another MQTT (LINLI_MQTT_VERSION)"
)
_WORDS: Final = {
    errno.ECONNREFUSED: "connection refused: nothing listens at that port",
    errno.EHOSTUNREACH: "unreachable: no way to that host",
    errno.ENETUNREACH: "unreachable: no way to that network",
    errno.ETIMEDOUT: "unreachable: no answer in time",
    errno.ECONNRESET: HANGS_UP,
}


class Complaint:
    """Why there is no connection now; it is logged once for as long as the reason stays."""

    def __init__(self, event: str, **facts: str) -> None:
        """Complain by the log's `event`, with the `facts` that tell which connection it is."""
        self._event = event
        self._facts = facts
        self.reason: str | None = None

    def tell(self, reason: str) -> None:
        """Log the reason, unless it is the one that was told last."""
        if reason != self.reason:
            self.reason = reason
            log.warning(self._event, **self._facts, reason=reason)

    def note(self, reason: str) -> None:
        """Take the reason for told: somebody else says it."""
        self.reason = reason

    def over(self) -> None:
        """There is a connection."""
        self.reason = None


def trouble_of(error: BaseException | None) -> str:
    """Return why an attempt to connect failed; None: nothing is known of it."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: its certificate is not trusted: {error.verify_message} (LINLI_MQTT_CA names its authority)"
        case ssl.SSLError():
            return f"TLS: {error}: is that its TLS port?"
        case socket.gaierror():
            return f"unreachable: no such host: {error.strerror}"
        case TimeoutError():
            return _WORDS[errno.ETIMEDOUT]
        case OSError():
            return _WORDS.get(error.errno or 0, f"unreachable: {error.strerror or error}")
        case _:
            return "no connection"
