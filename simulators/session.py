"""One run on the wire: nodes come up, something is played, the hub acknowledges the rest, nodes say goodbye."""

import asyncio
from collections.abc import Coroutine, Sequence

from simulators.fleet import DRAIN_S, settled
from simulators.node import Node


async def run_session(
    nodes: Sequence[Node], play: Coroutine[object, object, None], *, stop: asyncio.Event, drain_s: float = DRAIN_S
) -> None:
    """Play to the end or until `stop`, then wait until all is acknowledged; raise `NotAcknowledged` if it is not."""
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            group.create_task(node.run())
        try:
            await _until_stopped(play, stop)
            await settled(nodes, within_s=drain_s)
        finally:
            for node in nodes:
                node.stop()


async def _until_stopped(play: Coroutine[object, object, None], stop: asyncio.Event) -> None:
    player, stopper = asyncio.create_task(play), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({player, stopper}, return_when=asyncio.FIRST_COMPLETED)
        if player.done():
            player.result()
    finally:
        player.cancel()
        stopper.cancel()
        await asyncio.gather(player, stopper, return_exceptions=True)
