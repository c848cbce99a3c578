"""The directory kept up to date: its version is read before each batch."""

from collections.abc import Callable
from threading import Lock

from hub.ingest.directory import Directory
from hub.ingest.ports import Transactions


class Renewal:
    """Brings what people changed by REST into the directory, at once."""

    def __init__(self, directory: Directory, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        """Wire it to a directory, empty at first."""
        self._directory = directory
        self._transactions = transactions
        self._now_ms = now_ms
        self._lock = Lock()

    def renew(self) -> Directory:
        """Return the directory as the database has it now; rules that changed have their deadlines looked at again."""
        with self._lock:
            with self._transactions.read() as unit:
                first = self._directory.version == 0
                sites = unit.directory.refresh(self._directory)
            if sites and not first:
                with self._transactions.background() as unit:
                    for site in sites:
                        unit.states.wake_scope(site, self._now_ms())
        return self._directory
