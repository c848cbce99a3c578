"""What people are told when the telemetry store refuses: an alert while points wait, a quarantined bad line."""

import re
from collections.abc import Callable
from threading import Lock
from typing import Final

from hub.events import ConditionCleared, ConditionRaised, QuarantineChanged
from hub.ingest.directory import Directory
from hub.ingest.ports import Transactions
from hub.ingest.quarantine import Refused, payload_hash
from hub.telemetry.delivery import Verdict
from hub.vocabulary import FaultCode, Subject
from protocols.lanes import Lane
from protocols.rejections import RecordReason

_TAGS: Final = re.compile(r",(site|node)=((?:[^\\, ]|\\.)*)")


class StoreTrouble:
    """Turns what the store's writer says into alerts and quarantined items."""

    def __init__(self, transactions: Transactions, directory: Directory, *, now_ms: Callable[[], int]) -> None:
        """Wire it."""
        self._transactions = transactions
        self._directory = directory
        self._now_ms = now_ms
        self._lock = Lock()

    def changed(self, verdict: Verdict | None) -> None:
        """Raise `storeUnavailable` at every site while the store refuses; clear it when it takes points or is away.

        A store that is away for a while is no alert: its points wait, and readiness says `degraded`.
        """
        reason = None if verdict in (None, Verdict.AWAY) else f"store_{verdict}"
        at_ms = self._now_ms()
        with self._lock, self._transactions.background() as unit:
            for site in self._directory.sites:
                subject = Subject(site)
                if reason is None:
                    unit.emit(ConditionCleared(subject, FaultCode.STORE_UNAVAILABLE, "store_accepts", at_ms))
                else:
                    unit.emit(ConditionRaised(subject, FaultCode.STORE_UNAVAILABLE, reason, at_ms))

    def hold_bad_line(self, line: str, reason: str) -> None:
        """Quarantine a line that the store will never take; the same line twice is counted."""
        tags = dict(_TAGS.findall(line))
        raw = line.encode()
        refused = Refused(
            received_ms=self._now_ms(),
            site=tags.get("site", ""),
            node=tags.get("node", ""),
            lane=Lane.TELEMETRY,
            epoch=None,
            seq=None,
            reason=RecordReason.SCHEMA_INVALID,
            detail=f"the telemetry store refused this line: {reason}",
            raw=raw,
            raw_hash=payload_hash(raw),
        )
        with self._transactions.background() as unit:
            quarantine_id, new = unit.quarantine.hold(refused, unit.new_id())
            if new:
                unit.emit(QuarantineChanged(quarantine_id, refused.site, "held", refused.received_ms))
