"""Why there is no connection to a broker, in words that tell TLS, refusal and silence apart."""

import errno
import socket
import ssl
from typing import Final

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
