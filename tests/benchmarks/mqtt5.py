"""As much MQTT 5 as a load generator needs: cheap to send, because its own cost disturbs the measurement."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
SUBACK: Final = 0x90
_LOOPBACK: Final = "127.0.0.1"
_KEEPALIVE_S: Final = 60
_RECEIVE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that came; topic and payload where it is a PUBLISH."""

    kind: int
    topic: str = ""
    payload: bytes = b""


def publish_packet(topic: str, payload: bytes, *, packet_id: int | None = None, retain: bool = False) -> bytes:
    """A PUBLISH at QoS 1 under `packet_id`, at QoS 0 without one."""
    name = topic.encode()
    head = struct.pack(">H", len(name)) + name
    flags = (0 if packet_id is None else 2) | retain
    number = b"" if packet_id is None else struct.pack(">H", packet_id)
    body = head + number + b"\0" + payload
    return bytes([PUBLISH | flags]) + _length(len(body)) + body


class Wire:
    """One connection of a client that subscribes at QoS 0 and is never disconnected by its own will but at the end."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._sent_s = time.monotonic()

    @classmethod
    def connect(cls, port: int, client_id: str) -> Self:
        """Connect to the broker on loopback without a user; fails where it is refused."""
        connection = socket.create_connection((_LOOPBACK, port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = client_id.encode()
        # Protocol name, version 5, clean start, keepalive, no properties, client id.
        body = b"\0\x04MQTT\x05\x02" + struct.pack(">H", _KEEPALIVE_S) + b"\0" + struct.pack(">H", len(name)) + name
        wire = cls(connection)
        wire.send(b"\x10" + _length(len(body)) + body)
        wire._await(CONNACK)
        return wire

    def subscribe(self, pattern: str) -> None:
        """Subscribe at QoS 0 and wait until the broker has agreed."""
        name = pattern.encode()
        body = b"\0\x01\0" + struct.pack(">H", len(name)) + name + b"\0"
        self.send(b"\x82" + _length(len(body)) + body)
        self._await(SUBACK)

    def send(self, packets: bytes) -> None:
        """Send packets, ready as they are."""
        self._sent_s = time.monotonic()
        self._socket.settimeout(60)
        self._socket.sendall(packets)

    def receive(self, timeout_s: float) -> list[Packet]:
        """The packets that came within the time; empty when none did. ConnectionError when the broker has gone."""
        if time.monotonic() - self._sent_s > _KEEPALIVE_S / 2:
            self.send(b"\xc0\0")
        self._socket.settimeout(max(timeout_s, 1e-6))
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return []
        if not received:
            raise ConnectionError("the broker closed the connection")
        self._buffer += received
        packets, used = _packets(self._buffer)
        self._buffer = self._buffer[used:]
        return packets

    def close(self) -> None:
        """Disconnect; idempotent."""
        with suppress(OSError):
            self._socket.sendall(b"\xe0\0")
        self._socket.close()

    def _await(self, kind: int) -> None:
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            if any(packet.kind == kind for packet in self.receive(1)):
                return
        raise ConnectionError(f"the broker sent no packet {kind:#x}")


def _packets(data: bytes) -> tuple[list[Packet], int]:
    """The whole packets at the start of `data`, and how many bytes they take."""
    packets: list[Packet] = []
    place = 0
    while len(data) - place >= 2:
        length, shift, body = 0, 0, place + 1
        while body < len(data):
            byte = data[body]
            length |= (byte & 0x7F) << shift
            shift += 7
            body += 1
            if byte < 0x80:
                break
        else:
            break
        if len(data) < body + length:
            break
        packets.append(_packet(data[place], data[body : body + length]))
        place = body + length
    return packets, place


def _packet(first: int, body: bytes) -> Packet:
    kind = first & 0xF0
    if kind in (CONNACK, SUBACK) and body[1 if kind == CONNACK else -1] >= 0x80:
        raise ConnectionError(f"the broker refused: {body.hex()}")
    if kind != PUBLISH:
        return Packet(kind)
    name_end = 2 + struct.unpack(">H", body[:2])[0]
    place = name_end + (2 if first & 0x06 else 0)
    assert body[place] < 0x80, "more properties than any subscription here asks for"
    return Packet(kind, body[2:name_end].decode(), body[place + 1 + body[place] :])


def _length(number: int) -> bytes:
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
