"""The hub's REST interface as a client sees it: one token or one login, problems as errors."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from simulators.errors import HubRefused, HubUnreachable

API: Final = "/api/v1/"
_TIMEOUT_S: Final = 20.0
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_PATIENCE: Final = 5
"""How often a request is repeated that came too fast."""


@dataclass(frozen=True, slots=True)
class Login:
    """A person's user name and password."""

    username: str
    password: str


class HubClient:
    """Asks one hub, as whoever holds the token or the login. A login renews its token by itself."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        login: Login | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = token
        self._login = login
        self._http = httpx2.AsyncClient(base_url=url.rstrip("/") + API, timeout=_TIMEOUT_S, transport=transport)

    async def get(self, path: str, **filters: str | int) -> dict[str, Any]:
        """Return one object, or one page of a list."""
        return await self._ask("GET", path, filters=filters)

    async def items(self, path: str, **filters: str | int) -> list[dict[str, Any]]:
        """Return all items of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str | int] = {}
        while True:
            page = await self.get(path, **filters, **cursor)
            items += page["items"]
            if not page.get("next_cursor"):
                return items
            cursor = {"cursor": page["next_cursor"]}

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Create something, or take a step."""
        return await self._ask("POST", path, body=body or {})

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Set something."""
        return await self._ask("PUT", path, body=body)

    async def token(self, login: Login) -> str:
        """Return a fresh access token for whoever logs in."""
        form = {"username": login.username, "password": login.password}
        try:
            response = await self._http.post("auth/token", data=form)
        except httpx2.HTTPError as error:
            raise HubUnreachable(f"POST auth/token: {error}") from error
        if response.is_error:
            raise _refusal("POST auth/token", response)
        return str(response.json()["access_token"])

    async def stream(self, *, after: str | None = None) -> AsyncIterator["StreamEvent"]:
        """Yield what changes, from the event after `after` on, until the hub ends the stream."""
        headers = {"Accept": "text/event-stream", **await self._authorization()}
        if after is not None:
            headers["Last-Event-ID"] = after
        try:
            async with self._http.stream("GET", "stream", headers=headers, timeout=None) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal("GET stream", response)
                async for event in _events(response):
                    yield event
        except httpx2.HTTPError as error:
            raise HubUnreachable(f"GET stream: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        filters: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        response = await self._send(method, path, filters=filters, body=body)
        if response.status_code == _UNAUTHORIZED and self._login is not None:
            self._token = None
            response = await self._send(method, path, filters=filters, body=body)
        if response.is_error:
            raise _refusal(f"{method} {path}", response)
        return response.json() if response.content else {}

    async def _send(
        self, method: str, path: str, *, filters: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> httpx2.Response:
        headers = await self._authorization()
        for attempt in range(1, _PATIENCE + 1):
            try:
                response = await self._http.request(method, path, params=filters, json=body, headers=headers)
            except httpx2.HTTPError as error:
                raise HubUnreachable(
                    f"{method} {self._http.base_url}{path}: {error or type(error).__name__}"
                ) from error
            if response.status_code != _TOO_MANY or attempt == _PATIENCE:
                return response
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        raise AssertionError

    async def _authorization(self) -> dict[str, str]:
        if self._token is None and self._login is not None:
            self._token = await self.token(self._login)
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of the hub's stream."""

    id: str | None
    name: str
    data: str


async def _events(response: httpx2.Response) -> AsyncIterator[StreamEvent]:
    """Read server-sent events: fields by line, an empty line ends an event, a colon begins a comment."""
    last_id: str | None = None
    name, data = "message", list[str]()
    async for line in response.aiter_lines():
        if not line:
            if data:
                yield StreamEvent(last_id, name, "\n".join(data))
            name, data = "message", list[str]()
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            last_id = value
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


def _refusal(request: str, response: httpx2.Response) -> HubRefused:
    try:
        problem: dict[str, Any] = response.json()
    except ValueError:
        problem = {}
    errors = "; ".join(f"{error.get('field')}: {error.get('message')}" for error in problem.get("errors") or ())
    detail = f"{problem.get('detail') or problem.get('title') or response.text[:200]} {errors}".strip()
    return HubRefused(request, status=response.status_code, code=str(problem.get("code", "")), detail=detail)
