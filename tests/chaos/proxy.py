"""A TCP way that can be spoilt while it is in use: slow, dripping, silent in one direction or both, half-open, reset.

`with Proxy(port) as way:` relays `way.port` to that port of the loopback; `way.turn(BLACK_HOLE)` and so on at any time,
or `way.play(script(seed, …))`.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536
UNDER_WAY: Final = 64
"""Chunks of one direction that may wait for their time; more stay with whoever sends them."""
DRIP_S: Final = 0.02
AT_ONCE: Final = 2_048
"""Connections that may wait to be accepted: a storm is no fault of the way."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How the way is, in both directions unless it says otherwise."""

    latency_s: float = 0.0
    """Each byte takes so long, one way."""
    bytes_a_second: int | None = None
    """No more than these come through, in drips."""
    holds: bool = False
    """Nothing arrives until this is over, then everything does: a network that was parted, as TCP mends it."""
    loses_up: bool = False
    """What the client says vanishes; a connection that lost something stays silent in that direction for good."""
    loses_down: bool = False
    """What the server says vanishes, and the connection stays so."""
    refuses: bool = False
    """New connections are reset at once."""


CLEAR: Final = Weather()
BLACK_HOLE: Final = Weather(loses_up=True, loses_down=True)
PARTED: Final = Weather(holds=True)


class Stroke(StrEnum):
    """What is done to every connection once."""

    RESET = "reset"
    """Both ends get an RST."""
    HALF_OPEN = "half_open"
    """The server is told that the client has gone; the client hears nothing, and what it says vanishes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """So long after the play began, the weather changes or a stroke falls."""

    at_s: float
    to: Weather | Stroke


def script(seed: int, *, lasts_s: float, every_s: float = 4.0, longest_s: float = 2.0) -> list[Turn]:
    """Draw faults of every kind in turn, each followed by clear weather; the last of them is over before `lasts_s`."""
    random, turns, at_s = Random(seed), list[Turn](), 0.0
    kinds: list[Callable[[], Weather | Stroke]] = [
        lambda: Weather(latency_s=round(random.uniform(0.05, 0.5), 3)),
        lambda: Weather(bytes_a_second=random.randint(500, 5_000)),
        lambda: PARTED,
        lambda: Weather(loses_up=True),
        lambda: Weather(loses_down=True),
        lambda: BLACK_HOLE,
        lambda: Weather(refuses=True),
        lambda: Stroke.RESET,
        lambda: Stroke.HALF_OPEN,
    ]
    unseen: list[Callable[[], Weather | Stroke]] = []
    while True:
        at_s += every_s * random.uniform(0.5, 1.5)
        over_s = at_s + random.uniform(0.3, 1.0) * longest_s
        if over_s >= lasts_s:
            return turns
        unseen = unseen or random.sample(kinds, len(kinds))
        turns.append(Turn(round(at_s, 2), unseen.pop()()))
        if isinstance(turns[-1].to, Weather):
            turns.append(Turn(round(over_s, 2), CLEAR))
            at_s = over_s


class Proxy:
    """The way itself, in a thread of its own; `only` confines every fault to connections whose first bytes hold it.

    The first bytes are the client's: the id of an MQTT CONNECT, say.
    """

    def __init__(self, port: int, *, only: bytes = b"") -> None:
        self._target_port = port
        self._only = only
        self._weather = CLEAR
        self._pairs: set[_Pair] = set()
        self._listening = socket.create_server((LOOPBACK, 0), backlog=AT_ONCE)
        self.port = int(self._listening.getsockname()[1])
        self.counted: Counter[str] = Counter()
        """connections, refused, and bytes: up, down, lost_up, lost_down."""
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    @property
    def weather(self) -> Weather:
        return self._weather

    def turn(self, to: Weather | Stroke) -> None:
        """Change the weather, or let a stroke fall; returns when it is done."""
        asyncio.run_coroutine_threadsafe(self._turn(to), self._loop).result(10)

    def play(self, turns: Sequence[Turn]) -> threading.Thread:
        """Begin to do what the script says; the thread ends with it."""

        def follow() -> None:
            begun_s = time.monotonic()
            for turn in turns:
                time.sleep(max(0.0, begun_s + turn.at_s - time.monotonic()))
                self.turn(turn.to)

        player = threading.Thread(target=follow, name="chaos-script", daemon=True)
        player.start()
        return player

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listening, backlog=AT_ONCE)
        await self._stopping.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self, to: Weather | Stroke) -> None:
        if isinstance(to, Weather):
            self._weather = to
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            return
        for pair in [pair for pair in self._pairs if pair.chosen]:
            if to is Stroke.RESET:
                pair.reset()
            else:
                pair.lost_up = pair.lost_down = True
                _reset(pair.there)

    async def _accept(self, here_in: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        self.counted["connections"] += 1
        try:
            await self._relay(here_in, here)
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise

    async def _relay(self, here_in: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        if self._weather.refuses and not self._only:
            self.counted["refused"] += 1
            _reset(here)
            return
        try:
            there_in, there = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            _reset(here)
            return
        pair = _Pair(here, there, chosen=not self._only)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._carry(pair, here_in, there, up=True), self._carry(pair, there_in, here, up=False)
            )
        finally:
            self._pairs.discard(pair)
            here.close()
            there.close()

    async def _carry(
        self, pair: "_Pair", source: asyncio.StreamReader, target: asyncio.StreamWriter, *, up: bool
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        delivering = asyncio.ensure_future(self._deliver(pair, under_way, target, up=up))
        try:
            while taken := await source.read(CHUNK_BYTES):
                if up and not pair.chosen and not pair.has_spoken:
                    pair.chosen = self._only in taken
                    if pair.chosen and self._weather.refuses:
                        self.counted["refused"] += 1
                        pair.reset()
                pair.has_spoken = True
                latency_s = self._weather.latency_s if pair.chosen else 0.0
                await under_way.put((self._loop.time() + latency_s, taken))
        except OSError:
            if not pair.is_lost(up=not up):
                pair.reset()
        await under_way.put((0.0, b""))
        await delivering

    async def _deliver(
        self,
        pair: "_Pair",
        under_way: asyncio.Queue[tuple[float, bytes]],
        target: asyncio.StreamWriter,
        *,
        up: bool,
    ) -> None:
        try:
            while await self._deliver_next(pair, under_way, target, up=up):
                pass
        except OSError:
            if not pair.is_lost(up=not up):
                pair.reset()

    async def _deliver_next(
        self,
        pair: "_Pair",
        under_way: asyncio.Queue[tuple[float, bytes]],
        target: asyncio.StreamWriter,
        *,
        up: bool,
    ) -> bool:
        """Deliver a chunk when its time has come, in the weather of that moment; False after the last."""
        way = "up" if up else "down"
        due_s, chunk = await under_way.get()
        await asyncio.sleep(due_s - self._loop.time())
        while pair.chosen and self._weather.holds:
            await self._changed.wait()
        if pair.chosen and (self._weather.loses_up if up else self._weather.loses_down):
            pair.lose(up=up)
        lost = pair.is_lost(up=up)
        if not chunk:
            if not lost:  # else nobody hears of the end either
                target.close()
            return False
        if not lost:
            await self._write(pair, chunk, target)
        self.counted[f"lost_{way}" if lost else way] += len(chunk)
        return True

    async def _write(self, pair: "_Pair", chunk: bytes, target: asyncio.StreamWriter) -> None:
        while chunk:
            rate = self._weather.bytes_a_second if pair.chosen else None
            size = len(chunk) if rate is None else max(1, round(rate * DRIP_S))
            target.write(chunk[:size])
            await target.drain()
            chunk = chunk[size:]
            if rate is not None:
                await asyncio.sleep(size / rate)


class _Pair:
    """One connection: the client's end and the server's."""

    def __init__(self, here: asyncio.StreamWriter, there: asyncio.StreamWriter, *, chosen: bool) -> None:
        self.here, self.there, self.chosen = here, there, chosen
        self.has_spoken = False
        self.lost_up = self.lost_down = False

    def lose(self, *, up: bool) -> None:
        if up:
            self.lost_up = True
        else:
            self.lost_down = True

    def is_lost(self, *, up: bool) -> bool:
        return self.lost_up if up else self.lost_down

    def reset(self) -> None:
        _reset(self.here)
        _reset(self.there)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with an RST instead of a FIN."""
    ours = writer.get_extra_info("socket")
    if ours is not None:
        with contextlib.suppress(OSError):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
