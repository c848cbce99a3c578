"""Many MQTT 5 clients in one process, each of which comes back by the edge's own rule.

`python -m tests.chaos.storm_clients '{"port": …}'` says `ready` once all are connected, answers each line on stdin with
`report […]`: what happened since the last, as (monotonic second, kind, client).
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final

from edge.backoff import LONGEST_REST_S, LONGEST_SOS_S, reconnect_delay_s
from simulators.servers.process import LOOPBACK

HOLDS_S: Final = 10.0
"""A connection that lasted so long counts as good, an attempt that takes longer as failed: as at the edge."""
KEEPALIVE_S: Final = 10
FIRST_A_SECOND: Final = 200
"""So many connect for the first time each second: only their return is a storm."""


class Kind(StrEnum):
    """What can happen to a client."""

    TRIES = "tries"
    IS_UP = "is_up"
    LOST = "lost"
    REFUSED = "refused"
    """Nobody listens."""
    FAILED = "failed"
    """Somebody listens, and it did not get through."""


class Manner(StrEnum):
    """How clients wait before they come back."""

    EDGE = "edge"
    NO_JITTER = "no_jitter"
    """All wait as long as the rule allows."""
    NO_BACKOFF = "no_backoff"
    """All come again at once."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who comes; with `authority`, `certificate` and `key` over TLS with a client's certificate."""

    port: int
    clients: int
    seed: int
    manner: Manner = Manner.EDGE
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def tls(self) -> ssl.SSLContext | None:
        if self.authority is None or self.certificate is None:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


_WAIT_S: Final[Mapping[Manner, Callable[[int, float, float], float]]] = {
    Manner.EDGE: lambda attempt, longest_s, draw: reconnect_delay_s(attempt, longest_s=longest_s, draw=draw),
    Manner.NO_JITTER: lambda attempt, longest_s, _: reconnect_delay_s(attempt, longest_s=longest_s, draw=1.0),
    Manner.NO_BACKOFF: lambda _attempt, _longest_s, draw: 0.1 * draw,
}


class Storm:
    """The crowd and its diary."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._tls = crowd.tls()
        self._diary: list[tuple[float, str, int]] = []
        self._up: set[int] = set()
        self._all_up = asyncio.Event()

    async def run(self) -> None:
        """Connect, say so, and answer lines until they end."""
        clients = [asyncio.create_task(self._client(number)) for number in range(self._crowd.clients)]
        await self._all_up.wait()
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            diary, self._diary = self._diary, []
            print("report", json.dumps(diary), flush=True)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    def _note(self, kind: Kind, number: int) -> None:
        self._diary.append((round(time.monotonic(), 4), kind.value, number))

    async def _client(self, number: int) -> None:
        """Every second one is a node's connection for SOS."""
        random = Random(f"{self._crowd.seed}:{number}")
        longest_s = LONGEST_SOS_S if number % 2 else LONGEST_REST_S
        await asyncio.sleep(number / FIRST_A_SECOND)
        attempt = 0
        while True:
            self._note(Kind.TRIES, number)
            try:
                reader, writer = await asyncio.wait_for(self._connect(number), HOLDS_S)
            except ConnectionRefusedError:
                self._note(Kind.REFUSED, number)
                attempt += 1
            except (OSError, TimeoutError, EOFError):
                self._note(Kind.FAILED, number)
                attempt += 1
            else:
                self._note(Kind.IS_UP, number)
                self._up.add(number)
                if len(self._up) == self._crowd.clients:
                    self._all_up.set()
                since_s = time.monotonic()
                await self._stay(reader, writer)
                self._note(Kind.LOST, number)
                attempt = 0 if time.monotonic() - since_s >= HOLDS_S else attempt + 1
            await asyncio.sleep(_WAIT_S[self._crowd.manner](attempt, longest_s, random.random()))

    async def _connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._crowd.port, ssl=self._tls)
        try:
            name = f"storm-{number}".encode()
            head = b"\0\x04MQTT\x05\x02" + KEEPALIVE_S.to_bytes(2) + b"\0"
            body = head + len(name).to_bytes(2) + name
            writer.write(bytes([0x10, len(body)]) + body)
            first, length = await reader.readexactly(2)
            rest = await reader.readexactly(length)
            if first != 0x20 or rest[1] >= 0x80:
                raise ConnectionError(f"no connection: {first:#x} {rest.hex()}")
            topic = b"storm/down/" + name
            body = b"\0\x01\0" + len(topic).to_bytes(2) + topic + b"\0"
            writer.write(bytes([0x82, len(body)]) + body)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ping until the connection ends."""
        try:
            while True:
                try:
                    if not await asyncio.wait_for(reader.read(1024), KEEPALIVE_S * 0.8):
                        return
                except TimeoutError:
                    writer.write(b"\xc0\0")
        except OSError:
            return
        finally:
            writer.transport.abort()


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    manner = Manner(given.pop("manner"))
    asyncio.run(_run(Crowd(manner=manner, **given)))


async def _run(crowd: Crowd) -> None:
    await Storm(crowd).run()


if __name__ == "__main__":
    main()
