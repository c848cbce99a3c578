"""What can go wrong with a real server that a demo or a test wants to start."""


class ServerError(RuntimeError):
    """A server could not be used."""


class ServerMissing(ServerError):
    """The server is not on this machine and could not be fetched; the message says what to install."""


class ServerFailed(ServerError):
    """The server did not come up; the message ends with its last words."""


class PortTaken(ServerFailed):
    """Another process listens on the port."""
