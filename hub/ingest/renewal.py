"""The directory kept up to date: whether the registry changed is asked before each batch."""

from collections.abc import Callable
from threading import Lock

from hub.ingest.directory import Directory
from hub.ingest.ports import Transactions


class Renewal:
    """Brings what people changed into the directory: by REST at once, by another process with the next sweep."""

    def __init__(self, directory: Directory, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        """Wire it to a directory, empty at first."""
        self._directory = directory
        self._transactions = transactions
        self._now_ms = now_ms
        self._seen = -1
        self._lock = Lock()

    def renew(self, *, ask: bool = True) -> Directory:
        """Return the directory as the database has it now; rules that changed have their deadlines looked at again.

        Without `ask` the database is read only where a person of this process committed something since the last time.
        """
        if not ask and self._transactions.changes == self._seen:
            return self._directory
        with self._lock:
            seen = self._transactions.changes
            with self._transactions.read() as unit:
                first = self._directory.version == 0
                sites = unit.directory.refresh(self._directory)
            self._seen = seen
            if sites and not first:
                with self._transactions.background() as unit:
                    for site in sites:
                        unit.states.wake_scope(site, self._now_ms())
        return self._directory
