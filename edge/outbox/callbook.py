"""The calls for help that the outbox follows from *stored* to *closed*."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Final

from edge.outbox.database import Database
from edge.outbox.rows import CALL_COLUMNS, Call, CallStage, NewCall, call_of

_MARKS: Final = {
    CallStage.SENT: "UPDATE calls SET sent_at = ?, heard_by = coalesce(?, heard_by) WHERE ref = ? AND sent_at IS NULL",
    CallStage.HEARD: (
        "UPDATE calls SET heard_at = ?, heard_by = coalesce(?, heard_by) WHERE ref = ? AND heard_at IS NULL"
    ),
    CallStage.COMING: (
        "UPDATE calls SET coming_at = ?, heard_by = coalesce(?, heard_by) WHERE ref = ? AND coming_at IS NULL"
    ),
    CallStage.CLOSED: (
        "UPDATE calls SET closed_at = ?, heard_by = coalesce(?, heard_by) WHERE ref = ? AND closed_at IS NULL"
    ),
}


_TEXTS: Final = (
    "CREATE TABLE IF NOT EXISTS texts (ref TEXT, number TEXT, sent_at TEXT, PRIMARY KEY (ref, number)) WITHOUT ROWID"
)
"""Made with the first text: most nodes have no modem, and a full disk must not keep an older file from being opened."""


class CallBook:
    """Calls by `ref`; a repeat of an open call is the same call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_texts = database.row("SELECT 1 FROM sqlite_master WHERE name = 'texts'") is not None

    def add(self, calls: Sequence[NewCall], *, at: str, uptime_ms: int, boot: str) -> None:
        """Note calls inside the transaction that stores their records; a ref that comes back after its end is new."""
        for call in calls:
            closed = self._database.run("DELETE FROM calls WHERE ref = ? AND closed_at IS NOT NULL", (call.ref,))
            if closed and self._has_texts:
                self._database.run("DELETE FROM texts WHERE ref = ?", (call.ref,))
            self._database.run(
                "INSERT INTO calls (ref, device, event, stored_at, stored_ms, boot) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (call.ref, call.device, call.event, at, uptime_ms, boot),
            )

    def restore(self, calls: Sequence[Call], texts: Sequence[tuple[str, str, str]]) -> None:
        """Take over calls and texts of another file inside the transaction that stores its records."""
        marks = ", ".join("?" * len(fields(Call)))
        self._database.run_many(
            f"INSERT OR IGNORE INTO calls ({CALL_COLUMNS}) VALUES ({marks})",  # noqa: S608 our own names
            [astuple(call) for call in calls],
        )
        if texts:
            self._database.run(_TEXTS)
            self._database.run_many("INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", texts)
            self._has_texts = True

    def calls(self) -> list[Call]:
        """Every call that is followed, oldest first."""
        rows = self._database.rows(f"SELECT {CALL_COLUMNS} FROM calls ORDER BY stored_at, ref")  # noqa: S608 our own names
        calls = [call for row in rows if (call := call_of(row)) is not None]
        if len(calls) < len(rows):
            raise self._database.proven_spoilt("a call is not what was written")
        return calls

    def mark_call(self, ref: str, stage: CallStage, *, at: str, by: str | None = None) -> bool:
        """Commit that a call has reached a stage; False when it had before, or is not one of ours."""
        with self._database.transaction():
            return self._database.run(_MARKS[stage], (at, by, ref)) > 0

    def texts(self) -> frozenset[tuple[str, str]]:
        """The texts (ref, number) that the network has taken."""
        if not self._has_texts:
            return frozenset()
        return frozenset((ref, number) for ref, number in self._database.rows("SELECT ref, number FROM texts"))

    def mark_text(self, ref: str, number: str, *, at: str) -> None:
        """Commit that the network has taken the text about this call for this number."""
        with self._database.transaction():
            self._database.run(_TEXTS)
            self._database.run("INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", (ref, number, at))
        self._has_texts = True

    def forget(self, *, before: str) -> None:
        """Commit that calls closed before this instant are no longer followed, nor the texts about them."""
        with self._database.transaction():
            gone = self._database.run("DELETE FROM calls WHERE closed_at < ?", (before,))
            if gone and self._has_texts:
                self._database.run("DELETE FROM texts WHERE ref NOT IN (SELECT ref FROM calls)")
