"""A cable between a node and the broker that can be pulled: bytes pass as they come, or everything breaks off."""

import asyncio
import contextlib
from typing import Final

from simulators.node import Broker

_LOOPBACK: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 64 * 1024


class Cable:
    """A relay on loopback: while it is plugged, a node that connects to `near` speaks to `far`."""

    def __init__(self, far: Broker) -> None:
        self._far = far
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def near(self) -> Broker:
        """Where the node connects; known once it was plugged."""
        return Broker(_LOOPBACK, self._port)

    async def plug(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, _LOOPBACK, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Break every connection off without a word, and refuse new ones."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._far.host, self._far.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends, then end the other."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
