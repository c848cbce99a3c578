"""The address at which the hub listens; bound before anything is promised, served when everything is there."""

import socket

from hub.errors import HubError


def bind(host: str, port: int) -> socket.socket:
    """Return a listening address; raises HubError in one line where it is taken or cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio has answers leave at once only where the protocol is named; else each waits 40 ms for TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"LINLI_HTTP_PORT: {host}:{port} cannot be used: {error.strerror}"
        raise HubError(message) from None
    return listener
