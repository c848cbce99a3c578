"""A broker's administration that remembers what it was asked for."""

from collections.abc import Mapping, Sequence

from hub.access.broker import NodeCredential
from hub.errors import BrokerUnavailableError


class RememberingBroker:
    """Lets nodes in by name; `away` makes it refuse everything."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeCredential] = {}
        self.away = False

    def admit_hub(self, names: Sequence[str], *, publish: Sequence[str], subscribe: Sequence[str]) -> Mapping[str, str]:
        return {}

    def create_node(self, credential: NodeCredential) -> None:
        self._answer()
        self.nodes[credential.username] = credential

    def remove_node(self, usernames: Sequence[str]) -> None:
        self._answer()
        for username in usernames:
            self.nodes.pop(username, None)

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            message = "the broker is away"
            raise BrokerUnavailableError(message)
