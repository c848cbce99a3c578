"""Composition of the demo: servers up, community registered, story told, life going on, everything stopped in order."""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from random import Random
from typing import Final

from protocols.topics import NodeAddress
from simulators import clock as clocks
from simulators.cable import Cable
from simulators.clock import StoryClock
from simulators.community import SITE, Community
from simulators.conservation import read_conservation
from simulators.demo.cast import (
    HELLO_EVERY_S,
    NODE_NAMES,
    PEOPLE,
    RECONNECT_WITHIN_S,
    RULES,
    SPEED,
    YARD,
    cast_community,
    evening,
)
from simulators.demo.life import live_on
from simulators.demo.stage import HubServer
from simulators.demo.story import Scenery, receipt_teller, tell
from simulators.demo.watcher import Watcher, print_line
from simulators.errors import SimulatorError, StoryStuck
from simulators.fleet import Fleet, make_node
from simulators.ids import password
from simulators.registry import Access, Registry
from simulators.rest import HubClient, Login
from simulators.servers.broker import start_broker
from simulators.servers.embedded import EmbeddedBroker
from simulators.servers.errors import ServerError
from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.server import Server
from simulators.timeline import Timeline
from simulators.world import World

_SEED: Final = 7
_STORY_WITHIN_S: Final = 120.0
ADMIN: Final = "admin"


def run_demo(*, once: bool, keep: bool, port: int | None, embedded_broker: bool = False) -> int:
    """Run the demo and return its exit code: 0 when told or stopped, 1 when it could not be told."""
    directory = Path(tempfile.mkdtemp(prefix="linli-demo-"))
    print_line(f"# Throw-away data in {directory}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 1
    try:
        with contextlib.ExitStack() as servers:
            broker = servers.enter_context(_start_broker(directory / "broker", embedded=embedded_broker))
            if not isinstance(broker, MosquittoServer):
                print_line(
                    "# The embedded broker runs, on loopback. It checks no identities; a real site has mosquitto."
                )
            print_line("# Starting the hub.")
            admin_password = password()
            hub = servers.enter_context(HubServer(directory / "hub", broker=broker, admin_password=admin_password))
            if port is None:
                hub.launch_on_usual_port()
            else:
                hub.launch(port)
            code = asyncio.run(_until_signalled(hub, broker, admin_password=admin_password, once=once))
    except* KeyboardInterrupt:
        code = 0
    except* (SimulatorError, ServerError) as errors:
        print(_first(errors), file=sys.stderr)
    finally:
        if code == 0 and not keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print_line(f"# Data and logs are kept in {directory}")
    return code


def _start_broker(directory: Path, *, embedded: bool) -> MosquittoServer | EmbeddedBroker:
    return EmbeddedBroker.start(directory) if embedded else start_broker(directory)


async def _until_signalled(hub: HubServer, broker: Server, *, admin_password: str, once: bool) -> int:
    """Play until the end of the story (`once`) or a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    player = asyncio.create_task(_play(hub, broker, admin_password=admin_password, once=once))
    stopper = asyncio.create_task(stop.wait())
    await asyncio.wait({player, stopper}, return_when=asyncio.FIRST_COMPLETED)
    stopper.cancel()
    if not player.done():
        print_line("# Stopping.")
        player.cancel()
    (failure,) = await asyncio.gather(player, return_exceptions=True)
    if failure is not None and not isinstance(failure, asyncio.CancelledError):
        raise failure
    return 0


async def _play(hub: HubServer, broker: Server, *, admin_password: str, once: bool) -> None:
    timeline = Timeline(clocks.now(), SPEED, calendar_start=evening(clocks.now()))
    community = cast_community(timeline, seed=_SEED)
    async with contextlib.AsyncExitStack() as stack:
        admin = await stack.enter_async_context(HubClient(hub.url, login=Login(ADMIN, admin_password)))
        print_line("# Registering the community: nodes, facilities, devices, people, crews.")
        access = await _register(admin, community)
        logins = await _employ(admin)
        people = {
            name: await stack.enter_async_context(HubClient(hub.url, login=login)) for name, login in logins.items()
        }
        yard = Cable(access[YARD].broker)
        await yard.plug()
        stack.push_async_callback(yard.pull)
        heard = asyncio.Event()
        fleet = _fleet(community, timeline, access, yard=yard, heard=heard)
        watcher = Watcher(admin)
        scenery = Scenery(SITE.slug, fleet, watcher, people, yard, Random(_SEED), heard)
        _announce(hub, broker, {ADMIN: Login(ADMIN, admin_password), **logins})
        async with _living(fleet, watcher):
            await _tell(scenery)
            await fleet.settled()
            conservation = await read_conservation(admin, site=SITE.slug, epochs=fleet.epochs)
            print_line(f"# The story is told. {conservation}.")
            if not once:
                print_line("# The community lives on: log in and work on its orders yourself. Ctrl-C stops all.")
                await live_on(scenery)


@contextlib.asynccontextmanager
async def _living(fleet: Fleet, watcher: Watcher) -> AsyncGenerator[None]:
    """Keep the nodes connected, the world turning and the hub watched; let the nodes say goodbye at the end."""
    async with asyncio.TaskGroup() as group:
        nodes = [group.create_task(member.node.run()) for member in fleet.nodes.values()]
        others = [group.create_task(fleet.play(float("inf"))), group.create_task(watcher.watch())]
        try:
            yield
        finally:
            for task in others:
                task.cancel()
            for member in fleet.nodes.values():
                member.node.stop()
            await asyncio.wait(nodes, timeout=5.0)
            for task in nodes:
                task.cancel()


async def _tell(scenery: Scenery) -> None:
    try:
        async with asyncio.timeout(_STORY_WITHIN_S):
            await tell(scenery)
    except TimeoutError:
        raise StoryStuck(f"the story was not told within {_STORY_WITHIN_S:g} s") from None


async def _register(admin: HubClient, community: Community) -> Mapping[str, Access]:
    registry = Registry(admin, community.site.slug)
    await registry.add_site(community.site)
    access = {node: await registry.add_node(node, name=name) for node, name in NODE_NAMES.items()}
    await registry.add_devices(community.devices)
    for code, parameters in RULES.items():
        await registry.set_rule(code, **parameters)
    return access


async def _employ(admin: HubClient) -> dict[str, Login]:
    """Make people and crews; return each person's login by user name."""
    logins: dict[str, Login] = {}
    for person in PEOPLE:
        login = logins[person.username] = Login(person.username, password())
        made = await admin.post(
            "people",
            {
                "username": person.username,
                "display_name": person.display_name,
                "password": login.password,
                "locale": "zh",
                "roles": [{"role": person.role, "site": SITE.slug}],
            },
        )
        if person.crew is not None:
            crew = {"slug": person.crew, "name": person.display_name, "skills": [person.skill]}
            await admin.post("crews", {"site": SITE.slug, **crew, "members": [made["id"]]})
    return logins


def _fleet(
    community: Community, timeline: Timeline, access: Mapping[str, Access], *, yard: Cable, heard: asyncio.Event
) -> Fleet:
    clock = StoryClock(timeline)
    show_receipt = receipt_teller(heard)
    members = {
        node: make_node(
            NodeAddress(community.site.slug, node),
            Access(access[node].credential, yard.near, known_before=False) if node == YARD else access[node],
            clock=clock,
            rng=Random(f"{_SEED}/{node}"),
            hello_interval_s=HELLO_EVERY_S,
            reconnect_within_s=RECONNECT_WITHIN_S,
            on_receipt=show_receipt,
        )
        for node in community.nodes
    }
    return Fleet(World(community.actors, timeline), members, clock=clock)


def _announce(hub: HubServer, broker: Server, logins: Mapping[str, Login]) -> None:
    print_line(f"READY {hub.url} {broker.url}")
    roles = {ADMIN: ADMIN, **{person.username: person.role for person in PEOPLE}}
    for username, login in logins.items():
        print_line(f"LOGIN {roles[username]} {username} {login.password}")
    print_line(f"# Open {hub.url}/ and log in as any of these, for instance {ADMIN} or the crew waste.")


def _first(errors: BaseExceptionGroup[SimulatorError | ServerError]) -> SimulatorError | ServerError:
    """Return the first of the errors, however deep the task groups have wrapped it."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
