"""How requests are read: JSON strictly, its faults by field."""

import re
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any, Final, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import from_json

_JSON: Final = re.compile(r"application/(?:json|[\w.-]+\+json)\s*(?:;|$)", re.IGNORECASE)
_LARGEST: Final = 2**63 - 1
"""Largest whole number that both databases can hold."""


class JsonRequest(Request):
    """A request whose JSON holds nothing that a store would choke on later."""

    _parsed: Any = None

    async def parse(self) -> None:
        """Read the body where it is JSON; RequestValidationError names what is wrong with it."""
        body = await self.body()
        if not body or not _JSON.match(self.headers.get("content-type", "")):
            return
        try:
            self._parsed = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise _fault(("body",), f"is no JSON: {error}") from None
        _check(self._parsed, ("body",))

    async def json(self) -> Any:
        """Return what was parsed."""
        return self._parsed


class JsonRoute(APIRoute):
    """A route that reads JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            _check_address(request)
            reading = JsonRequest(request.scope, request.receive)
            await reading.parse()
            return await handle(reading)

        return handler


def _check_address(request: Request) -> None:
    """Refuse NUL in path and query: no text that we keep holds one."""
    for name, value in request.path_params.items():
        if "\0" in str(value):
            raise _fault(("path", name), "must not hold NUL")
    for name, value in request.query_params.multi_items():
        if "\0" in value:
            raise _fault(("query", name), "must not hold NUL")


def _check(value: object, path: tuple[str | int, ...]) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise _fault(path, "must not hold NUL")
    elif isinstance(value, float):
        if not isfinite(value):
            raise _fault(path, "must be finite")
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            raise _fault(path, "is too large a number")
    elif isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            _check(name, path)
            _check(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(cast("list[object]", value)):
            _check(part, (*path, number))


def _fault(path: tuple[str | int, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": path, "msg": message, "input": None}])
