"""Words for a failed attempt to connect: TLS, refused and unreachable are told apart."""

import errno
import socket
import ssl

import pytest
from structlog.testing import capture_logs

from hub.mqtt.trouble import HANGS_UP, Complaint, trouble_of


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


def test_a_reason_is_told_once_for_as_long_as_it_stays() -> None:
    complaint = Complaint("mqtt.not_connected", connection="rest")
    with capture_logs() as told:
        complaint.tell("refused")
        complaint.tell("refused")
        complaint.tell("no such host")
        complaint.over()
        complaint.tell("no such host")
    assert [(line["event"], line["connection"], line["reason"]) for line in told] == [
        ("mqtt.not_connected", "rest", "refused"),
        ("mqtt.not_connected", "rest", "no such host"),
        ("mqtt.not_connected", "rest", "no such host"),
    ]


def test_what_somebody_else_says_is_not_told_again() -> None:
    complaint = Complaint("dynsec.not_connected")
    with capture_logs() as told:
        complaint.note("refused")
        complaint.tell("refused")
    assert (told, complaint.reason) == ([], "refused")
