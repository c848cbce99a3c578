import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from simulators.errors import HubRefused, HubUnreachable
from simulators.rest import HubClient, Login, StreamEvent

Answer = Callable[[httpx2.Request], httpx2.Response]


def asked(answer: Answer, use: Callable[[HubClient], Awaitable[Any]], **access: Any) -> Any:
    async def run() -> Any:
        async with HubClient("http://hub", transport=httpx2.MockTransport(answer), **access) as hub:
            return await use(hub)

    return asyncio.run(run())


def test_a_token_goes_with_every_request() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["Authorization"])
        return httpx2.Response(200, json={"id": "demo"})

    assert asked(answer, lambda hub: hub.get("sites/demo"), token="t") == {"id": "demo"}
    assert seen == ["Bearer t"]


def test_a_login_takes_a_token_and_renews_it_when_it_ran_out() -> None:
    granted: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/v1/auth/token":
            assert request.content == b"username=li&password=p"
            granted.append(f"t{len(granted)}")
            return httpx2.Response(200, json={"access_token": granted[-1]})
        fresh = request.headers["Authorization"] == "Bearer t1"
        return httpx2.Response(200 if fresh else 401, json={"items": []})

    asked(answer, lambda hub: hub.get("alerts"), login=Login("li", "p"))
    assert granted == ["t0", "t1"]


def test_a_problem_becomes_an_error_that_names_request_status_code_and_fields() -> None:
    problem = {
        "status": 422,
        "code": "validation",
        "detail": "no",
        "errors": [{"field": "slug", "message": "is empty"}],
    }

    with pytest.raises(HubRefused, match=r"POST sites: 422 validation: no slug: is empty") as refused:
        asked(lambda _: httpx2.Response(422, json=problem), lambda hub: hub.post("sites"), token="t")
    assert refused.value.status == 422


def test_an_answer_that_is_no_problem_is_told_as_it_is() -> None:
    with pytest.raises(HubRefused, match=r"502.*bad gateway"):
        asked(lambda _: httpx2.Response(502, text="bad gateway"), lambda hub: hub.get("sites"), token="t")


def test_no_answer_is_an_error_of_ours() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    with pytest.raises(HubUnreachable, match="refused"):
        asked(answer, lambda hub: hub.get("sites"), token="t")


def test_a_request_that_came_too_fast_is_repeated() -> None:
    answers = iter([httpx2.Response(429, headers={"Retry-After": "0"}), httpx2.Response(200, json={"id": "x"})])

    assert asked(lambda _: next(answers), lambda hub: hub.get("sites/x"), token="t") == {"id": "x"}


def test_all_items_of_a_list_come_page_by_page() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("cursor") == "2":
            return httpx2.Response(200, json={"items": [{"id": "b"}], "next_cursor": None})
        return httpx2.Response(200, json={"items": [{"id": "a"}], "next_cursor": "2"})

    assert asked(answer, lambda hub: hub.items("alerts", site="demo"), token="t") == [{"id": "a"}, {"id": "b"}]


def test_the_stream_is_read_event_by_event_and_resumed_behind_the_last() -> None:
    body = b': hello\n\nid: 4\nevent: alert\ndata: {"a":\ndata: 1}\n\nid: 5\nevent: work_order\ndata: {}\n\ndata: cut'
    asked_after: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked_after.append(request.headers.get("Last-Event-ID"))
        return httpx2.Response(200, content=body, headers={"Content-Type": "text/event-stream"})

    async def collect(hub: HubClient) -> list[StreamEvent]:
        return [event async for event in hub.stream(after="3")]

    events = asked(answer, collect, token="t")
    assert events == [StreamEvent("4", "alert", '{"a":\n1}'), StreamEvent("5", "work_order", "{}")]
    assert asked_after == ["3"]
