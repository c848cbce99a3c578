"""Words for a failed attempt to connect: TLS, refused and unreachable are told apart."""

import errno
import socket
import ssl

import pytest

from hub.mqtt.trouble import HANGS_UP, trouble_of


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (untrusted(), "TLS: its certificate is not trusted: self-signed certificate"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "TLS: "),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable: no way to that host"),
        (TimeoutError("timed out"), "unreachable: no answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "unreachable: no such host"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), HANGS_UP),
        (OSError(errno.EPERM, "Operation not permitted"), "unreachable: Operation not permitted"),
        (None, "no connection"),
    ],
)
def test_each_cause_has_its_words(error: BaseException | None, said: str) -> None:
    assert trouble_of(error).startswith(said)
