import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from simulators.demo.watcher import Watcher
from simulators.errors import StoryStuck
from simulators.rest import HubClient, Login


def alert(state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "A1",
        "fault_code": "binFull",
        "state": state,
        "facility": "demo.bin",
        "node": None,
        "suppressed_by": None,
        **more,
    }


def order(state: str) -> dict[str, Any]:
    return {"id": "W1", "state": state, "alerts": ["A1"]}


class FakeStream:
    """Serves the events a client has not seen, a few at a time, and ends the stream each time."""

    def __init__(self, *events: tuple[str, dict[str, Any]], at_once: int = 2) -> None:
        self.events = events
        self.at_once = at_once
        self.expire_token_after: int | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("auth/token"):
            self.expire_token_after = None
            return httpx2.Response(200, json={"access_token": "t"})
        if request.url.path.endswith("alerts"):
            return httpx2.Response(401 if self.expire_token_after is not None else 200, json={"items": []})
        seen = int(request.headers["Last-Event-ID"])
        if self.expire_token_after is not None and seen >= self.expire_token_after:
            return httpx2.Response(401, json={})
        numbered = list(enumerate(self.events, start=1))[seen : seen + self.at_once]
        body = "".join(
            f"id: {number}\nevent: {name}\ndata: {json.dumps(item)}\n\n" for number, (name, item) in numbered
        )
        return httpx2.Response(200, text=body)


def watching(stream: FakeStream, use: Callable[[Watcher], Awaitable[Any]]) -> tuple[Any, list[str]]:
    said: list[str] = []

    async def run() -> Any:
        login = Login("admin", "p")
        async with HubClient("http://hub", login=login, transport=httpx2.MockTransport(stream)) as hub:
            watcher = Watcher(hub, say=said.append, again_s=0.0)
            task = asyncio.create_task(watcher.watch())
            try:
                return await use(watcher)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(run()), said


def test_each_step_is_said_once_in_the_words_of_the_contract() -> None:
    stream = FakeStream(
        ("alert", alert("firing")),
        ("work_order", order("assigned")),
        ("alert", alert("firing", comment="changed, but no step")),
        ("node", {"id": "demo.pi"}),
        ("work_order", order("accepted")),
        ("alert", alert("resolved")),
    )
    _, said = watching(
        stream, lambda watcher: watcher.alert("binFull", state="resolved", within_s=5, facility="demo.bin")
    )

    assert said == [
        "STEP alert binFull firing A1",
        "STEP work-order assigned W1",
        "STEP work-order accepted W1",
        "STEP alert binFull resolved A1",
    ]


def test_a_state_that_was_passed_meanwhile_still_counts() -> None:
    stream = FakeStream(("work_order", order("verified")), ("work_order", order("closed")))

    async def wait(watcher: Watcher) -> Any:
        await watcher.order("W1", state="closed", within_s=5)
        return await watcher.order("W1", state="verified", within_s=5)

    assert watching(stream, wait)[0]["state"] == "closed"


def test_a_held_back_alert_is_no_step() -> None:
    stream = FakeStream(("alert", alert("firing", suppressed_by="P1")))
    children, said = watching(stream, lambda watcher: watcher.suppressed("P1", count=1, within_s=5))

    assert [child["id"] for child in children] == ["A1"]
    assert all(line.startswith("#") for line in said)


def test_an_alert_of_a_node_is_found_by_its_node() -> None:
    stream = FakeStream(("alert", alert("firing", fault_code="nodeOffline", facility=None, node="demo.pi")))
    found, _ = watching(
        stream, lambda watcher: watcher.alert("nodeOffline", state="firing", within_s=5, node="demo.pi")
    )

    assert found["id"] == "A1"


def test_an_order_is_found_by_its_alert() -> None:
    found, _ = watching(FakeStream(("work_order", order("open"))), lambda watcher: watcher.order_of("A1", within_s=5))

    assert found["id"] == "W1"


def test_a_token_that_ran_out_is_renewed_and_no_event_is_missed() -> None:
    stream = FakeStream(("work_order", order("assigned")), ("work_order", order("closed")), at_once=1)
    stream.expire_token_after = 1
    _, said = watching(stream, lambda watcher: watcher.order("W1", state="closed", within_s=5))

    assert said == ["STEP work-order assigned W1", "STEP work-order closed W1"]


def test_a_step_that_does_not_come_is_named() -> None:
    with pytest.raises(StoryStuck, match=r"alert binFull firing at demo\.bin did not come within 0\.05 s"):
        watching(
            FakeStream(), lambda watcher: watcher.alert("binFull", state="firing", within_s=0.05, facility="demo.bin")
        )
