import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from simulators.errors import BadInput, HubRefused, NotOurs
from simulators.node import Broker
from simulators.registry import DeviceEntry, Registry, SiteEntry
from simulators.rest import HubClient

SITE = SiteEntry("demo", "示范小区", "Asia/Shanghai", 31.2, 121.5)
BIN = DeviceEntry("bin-1", "bin", "Bin", "bin-1-us", "fill_level", "pi-1", 60)


class FakeHub:
    """Keeps what is created by path, and refuses a taken slug."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, Any] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/v1/")
        body = json.loads(request.content) if request.content else {}
        if request.method == "GET":
            found = self.things.get(path)
            return httpx2.Response(200, json=found) if found else httpx2.Response(404, json={"code": "not_found"})
        if request.method == "PUT":
            self.rules[path] = body
            return httpx2.Response(200, json=body)
        if path.endswith("/credentials"):
            return httpx2.Response(201, json={"password": "secret", "broker_url": "mqtt://127.0.0.1:1884"})
        identity = f"{path}/{body['slug']}" if path == "sites" else f"{path}/{body['site']}.{body['slug']}"
        if identity in self.things:
            return httpx2.Response(409, json={"code": "conflict"})
        self.things[identity] = body
        return httpx2.Response(201, json={**body, "id": identity})


def using(fake: Callable[[httpx2.Request], httpx2.Response], use: Callable[[Registry], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with HubClient("http://hub", token="t", transport=httpx2.MockTransport(fake)) as hub:
            return await use(Registry(hub, "demo"))

    return asyncio.run(run())


def test_a_community_is_registered_as_the_contract_asks() -> None:
    fake = FakeHub()

    async def register(registry: Registry) -> None:
        await registry.add_site(SITE)
        await registry.add_node("pi-1", name="Pi")
        await registry.add_devices([BIN])
        await registry.set_rule("binFull", verify_window_s=10)

    using(fake, register)
    assert fake.things["sites/demo"]["location"] == {"lat": 31.2, "lon": 121.5}
    assert fake.things["facilities/demo.bin-1"] == {"site": "demo", "slug": "bin-1", "kind": "bin", "name": "Bin"}
    assert fake.things["devices/demo.bin-1-us"] == {
        "site": "demo",
        "slug": "bin-1-us",
        "kind": "fill_level",
        "facility": "demo.bin-1",
        "node": "demo.pi-1",
        "expected_interval_s": 60,
    }
    assert fake.rules == {"rules/binFull": {"scope": "demo", "parameters": {"verify_window_s": 10}}}


def test_registering_again_is_fine_and_known() -> None:
    fake = FakeHub()

    async def twice(registry: Registry) -> list[bool]:
        new = [await registry.add_site(SITE), await registry.add_site(SITE)]
        known = [(await registry.add_node("pi-1", name="Pi")).known_before for _ in range(2)]
        for _ in range(2):
            await registry.add_devices([BIN])
        return new + known

    assert using(fake, twice) == [True, False, False, True]


def test_a_slug_that_something_else_holds_is_not_ours() -> None:
    fake = FakeHub()
    fake.things["facilities/demo.bin-1"] = {"kind": "streetlight"}

    with pytest.raises(NotOurs, match="its kind is 'streetlight', not 'bin'"):
        using(fake, lambda registry: registry.add_devices([BIN]))


def test_a_taken_slug_that_we_may_not_see_is_not_ours() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404 if request.method == "GET" else 409, json={"code": "x"})

    with pytest.raises(NotOurs, match="cannot be seen"):
        using(answer, lambda registry: registry.add_site(SITE))


def test_any_other_refusal_is_passed_on() -> None:
    with pytest.raises(HubRefused, match="403"):
        using(lambda _: httpx2.Response(403, json={}), lambda registry: registry.add_site(SITE))


def test_a_node_goes_where_the_hub_says_unless_told_otherwise() -> None:
    async def both(registry: Registry) -> list[Broker]:
        said = await registry.add_node("pi-1", name="Pi")
        told = await registry.add_node("pi-1", name="Pi", broker_url="mqtt://broker")
        return [said.broker, told.broker]

    assert using(FakeHub(), both) == [Broker("127.0.0.1", 1884), Broker("broker", 1883)]


@pytest.mark.parametrize("url", ["http://broker", "mqtt://", "mqtt://host:port", "broker"])
def test_an_address_that_is_no_broker_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match=r"mqtt|port"):
        Broker.from_url(url)
