"""One attempt to connect to the broker, to learn how it goes."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from errno import EHOSTUNREACH, ENETUNREACH, ETIMEDOUT
from queue import Empty, SimpleQueue
from socket import gaierror
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.link import KEEPALIVE_S, Endpoint, hang_up, new_client

CONNECT_S: Final = 10.0
"""Longest wait for the broker's word."""


class Outcome(StrEnum):
    """How an attempt to connect ended."""

    FINE = "fine"
    NO_NAME = "no_name"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    CERTIFICATE = "certificate"
    TOO_EARLY = "too_early"
    """The certificate is not valid yet, which means that our clock is behind."""
    TLS = "tls"
    CREDENTIALS = "credentials"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of an attempt; `answer` is the payload that was waited for, and the uptime when it came."""

    outcome: Outcome
    detail: str
    answer: tuple[bytes, int] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Something to say once connected, and the topic on which an answer is waited for; `uptime_ms` tells the time."""

    topic: str
    payload: bytes
    answer_topic: str
    uptime_ms: Callable[[], int]
    within_s: float = 3.0


_CREDENTIALS: Final = frozenset({0x86, 0x87, 0x8C})
"""MQTT 5: bad user name or password, not authorized, bad authentication method."""


def try_out(endpoint: Endpoint, *, within_s: float = CONNECT_S, ask: Question | None = None) -> Trial:
    """Connect once, ask where there is something to ask, and disconnect; tell how it went."""
    codes: SimpleQueue[ReasonCode | None] = SimpleQueue()
    answers: SimpleQueue[tuple[bytes, int]] = SimpleQueue()

    def on_connect(
        client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if ask is not None and not code.is_failure:
            client.subscribe(ask.answer_topic)
            client.publish(ask.topic, ask.payload, qos=1)
        codes.put(code)

    def on_disconnect(*_: object) -> None:
        codes.put(None)

    def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
        if ask is not None:
            answers.put((bytes(message.payload), ask.uptime_ms()))

    try:
        client = new_client(endpoint, client_id=endpoint.username)
        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_message = on_message
        client.connect(endpoint.host, endpoint.port, KEEPALIVE_S, clean_start=True)
    except (OSError, ValueError) as error:
        return _failed(error, tls=endpoint.tls)
    client.loop_start()
    answer = None
    try:
        code = codes.get(timeout=within_s)
        if ask is not None and code is not None and not code.is_failure:
            with suppress(Empty):
                answer = answers.get(timeout=ask.within_s)
    except Empty:
        return Trial(Outcome.NO_ANSWER, f"no answer within {within_s:g} s")
    finally:
        client.disconnect()
        hang_up(client)
        client.loop_stop()
    if code is None:
        return Trial(Outcome.NO_ANSWER, "the connection was closed without an answer")
    if code.is_failure:
        return Trial(Outcome.CREDENTIALS if code.value in _CREDENTIALS else Outcome.OTHER, str(code))
    return Trial(Outcome.FINE, str(code), answer)


def _failed(error: OSError | ValueError, *, tls: bool) -> Trial:
    text = str(error)
    match error:
        case ssl.SSLCertVerificationError():
            return Trial(Outcome.TOO_EARLY if "not yet valid" in text else Outcome.CERTIFICATE, text)
        # A broker without TLS hangs up on a handshake, or answers it with something else.
        case ssl.SSLError() | ConnectionResetError() if tls:
            return Trial(Outcome.TLS, text)
        case gaierror():
            return Trial(Outcome.NO_NAME, text)
        case ConnectionRefusedError():
            return Trial(Outcome.REFUSED, text)
        case OSError() if error.errno in (ENETUNREACH, EHOSTUNREACH, ETIMEDOUT) or isinstance(error, TimeoutError):
            return Trial(Outcome.UNREACHABLE, text)
        case _:
            return Trial(Outcome.OTHER, text)
