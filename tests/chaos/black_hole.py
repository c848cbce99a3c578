"""A way to a broker that can swallow everything: connections stay open, bytes are taken, and nothing comes of them."""

import selectors
import socket
import threading
from typing import Self


class BlackHole:
    """A TCP relay on loopback; once `swallowing` is set, what arrives on either side vanishes.

    `only` confines that to connections whose first bytes hold it, the client's id of an MQTT CONNECT say.
    """

    def __init__(self, port: int, *, only: bytes = b"") -> None:
        self._only = only
        self._chosen: dict[socket.socket, bool] = {}
        self._target = ("127.0.0.1", port)
        self.swallowing = threading.Event()
        self._stopping = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="black-hole", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        peers: dict[socket.socket, socket.socket] = {}
        with selectors.DefaultSelector() as ready, self._listening:
            ready.register(self._listening, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in ready.select(timeout=0.1):
                    one = key.fileobj
                    assert isinstance(one, socket.socket)
                    if one is self._listening:
                        here, _ = self._listening.accept()
                        there = socket.create_connection(self._target)
                        peers |= {here: there, there: here}
                        ready.register(here, selectors.EVENT_READ)
                        ready.register(there, selectors.EVENT_READ)
                    elif one in peers and not self._pass_on(one, peers[one]):
                        for end in (one, peers.pop(one)):
                            self._chosen.pop(end, None)
                            peers.pop(end, None)
                            ready.unregister(end)
                            end.close()
            for end in peers:
                end.close()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> bool:
        try:
            taken = one.recv(65_536)
            if one not in self._chosen:  # a client of MQTT speaks first
                self._chosen[one] = self._chosen[other] = self._only in taken
            if taken and not (self.swallowing.is_set() and self._chosen[one]):
                other.sendall(taken)
        except OSError:
            return False
        return bool(taken)
