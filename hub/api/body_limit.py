"""Bodies of at most 1 MiB; what is larger never reaches the application."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import TOO_LARGE, problem

LIMIT_BYTES: Final = 1 << 20
DRAINED_BYTES: Final = 8 << 20
"""So much of too large a body is read and dropped, for many clients read no answer before they have sent all."""
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyLimit:
    """Reads the body, and gives it to the application where it is not too large."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if size <= LIMIT_BYTES:
                held.append(message)
            if size > DRAINED_BYTES or message["type"] != "http.request" or not message.get("more_body", False):
                break
        if size > LIMIT_BYTES:
            await _refuse(scope, receive, send)
            return
        waiting = iter(held)

        async def replay() -> Message:
            return next(waiting, None) or await receive()

        await self._app(scope, replay, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Connection": "close"}
    response = problem(TOO_LARGE, detail=f"a body may have at most {LIMIT_BYTES} bytes", headers=headers)
    await response(scope, receive, send)
