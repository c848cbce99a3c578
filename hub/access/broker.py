"""What the hub asks of the broker's administration: users for nodes, and for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from protocols.topics import NodeAddress

PASSWORD_BYTES: Final = 32
"""Node passwords are random: brokers hash them cheaply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCredential:
    """The two users of a node with their one password, and what both may do."""

    username: str
    sos_username: str
    password: str = field(repr=False)
    publish: str
    """The one filter they may publish under."""
    subscribe: str
    """The one filter they may subscribe to."""

    @classmethod
    def of(cls, address: NodeAddress, *, password: str) -> Self:
        """Return the credential of the node at `address`."""
        return cls(
            username=address.username,
            sos_username=address.sos_username,
            password=password,
            publish=address.publish_filter,
            subscribe=address.subscribe_filter,
        )

    @property
    def usernames(self) -> tuple[str, str]:
        """Both names."""
        return self.username, self.sos_username


class BrokerAdmin(Protocol):
    """The administration of one broker; every method may be called from any thread.

    Raises BrokerUnavailableError where the broker is away or refuses.
    """

    def admit_hub(self, names: Sequence[str], *, publish: Sequence[str], subscribe: Sequence[str]) -> Mapping[str, str]:
        """Give the hub a user for each of its connections; return their passwords, empty where none is needed."""
        ...

    def create_node(self, credential: NodeCredential) -> None:
        """Let a node in; what it was let in with before is void, and its connections are ended."""
        ...

    def remove_node(self, usernames: Sequence[str]) -> None:
        """Let a node in no more, and end its connections; one that is not known is no fault."""
        ...

    def close(self) -> None:
        """Let go of the connection; idempotent."""
        ...
