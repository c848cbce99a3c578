"""What waits: notifications, quarantine, silent nodes, calls for help."""

from collections.abc import Sequence
from typing import Final

from hub.app import open_clock
from hub.errors import HubError
from hub.settings import Settings
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import Queues, read_queues
from hub.upkeep.doctor.finding import Finding, Verdict

_NAMED: Final = 5


def check_queues(settings: Settings) -> list[Finding]:
    """Count what waits; one line says so where the database cannot be asked."""
    try:
        engine = open_engine(settings.state_url)
        try:
            found = read_queues(engine, at_ms=lambda: open_clock(settings, engine).now_ms())
        finally:
            engine.dispose()
    except HubError:
        return [Finding("queues", Verdict.SKIP, "the state database cannot be asked")]
    return judge_queues(found)


def judge_queues(found: Queues) -> list[Finding]:
    """Judge the depths, what is about people first."""
    return [_calls(found), *_notifications(found), _quarantine(found), _silence(found)]


def _calls(found: Queues) -> Finding:
    if found.calls:
        detail = f"{len(found.calls)} unacknowledged: {_some(found.calls)}"
        remedy = "go there now, then acknowledge: linli-hub alerts list --state firing, or the page"
        return Finding("open SOS", Verdict.FAIL, detail, remedy)
    if found.calls_attended:
        detail = f"{found.calls_attended} acknowledged and not yet closed"
        return Finding("open SOS", Verdict.WARN, detail, "resolve and close each when the person is well")
    return Finding("open SOS", Verdict.OK, "none")


def _notifications(found: Queues) -> list[Finding]:
    due = Finding("notifications due", Verdict.OK, "none waits longer than a minute")
    if found.overdue:
        detail = f"{found.overdue} due for more than a minute, {found.overdue_for_life} of them for life-safety"
        remedy = "does the hub run? Can this machine reach the channels' addresses? The hub's log names each failure"
        verdict = Verdict.FAIL if found.overdue_for_life else Verdict.WARN
        due = Finding("notifications due", verdict, detail, remedy)
    failed = Finding("notifications failed", Verdict.OK, "none in a day")
    if found.failed_in_a_day:
        remedy = (
            "GET /api/v1/notifications?state=failed names target and cause; test each channel (docs/notifications.md)"
        )
        failed = Finding("notifications failed", Verdict.WARN, f"{found.failed_in_a_day} in a day", remedy)
    return [due, failed]


def _quarantine(found: Queues) -> Finding:
    if not found.held:
        return Finding("quarantine", Verdict.OK, "nothing is held")
    remedy = "linli-hub quarantine list --state held; mend the cause, then quarantine release or discard each"
    return Finding("quarantine", Verdict.WARN, f"{found.held} held", remedy)


def _silence(found: Queues) -> Finding:
    if not found.silent:
        return Finding("silent nodes", Verdict.OK, "none")
    remedy = "look at power and network of each; on the node: linli-edge check"
    return Finding("silent nodes", Verdict.WARN, f"{len(found.silent)}: {_some(found.silent)}", remedy)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
