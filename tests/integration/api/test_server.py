"""The listening address of REST and pages."""

import socket

import pytest
from fastapi import FastAPI

from hub.api.listener import bind
from hub.api.server import Server
from hub.errors import HubError


def test_answers_leave_at_once() -> None:
    """The protocol is named: by it asyncio knows TCP, and has no answer wait 40 ms for the one before."""
    listener = bind("127.0.0.1", 0)
    assert listener.proto == socket.IPPROTO_TCP
    listener.close()


def test_an_address_that_is_taken_is_named_in_one_line() -> None:
    taken = bind("127.0.0.1", 0)
    taken.listen()
    port = taken.getsockname()[1]
    with pytest.raises(HubError, match=f"LINLI_HTTP_PORT: 127.0.0.1:{port} cannot be used"):
        bind("127.0.0.1", port)
    taken.close()


def test_who_connects_as_soon_as_the_server_has_started_is_not_refused() -> None:
    listener = bind("127.0.0.1", 0)
    server = Server(FastAPI(), listener)
    server.start()
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    server.stop()
