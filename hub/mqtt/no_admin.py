"""A broker that somebody else manages, or that knows no users: nothing to administer."""

from collections.abc import Mapping, Sequence

from hub.access.broker import NodeCredential


class NoAdmin:
    """Lets everybody be; whoever runs the broker lets nodes in."""

    def admit_hub(self, names: Sequence[str], *, publish: Sequence[str], subscribe: Sequence[str]) -> Mapping[str, str]:
        """Return no passwords: the hub connects as the user of its address."""
        del names, publish, subscribe
        return {}

    def create_node(self, credential: NodeCredential) -> None:
        """Do nothing."""

    def remove_node(self, usernames: Sequence[str]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
