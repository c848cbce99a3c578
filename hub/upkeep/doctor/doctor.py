"""All checks, each with a bounded wait: one that hangs is a finding and keeps nobody from the others."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from hub.clock import WallClock
from hub.settings import Settings
from hub.upkeep.doctor.backups import check_backup
from hub.upkeep.doctor.broker import check_broker
from hub.upkeep.doctor.finding import Finding, Verdict
from hub.upkeep.doctor.machine import check_clock, check_disk
from hub.upkeep.doctor.process import check_process
from hub.upkeep.doctor.queues import check_queues
from hub.upkeep.doctor.stores import check_influx, check_state, check_telemetry

LONGEST_S: Final = 20.0
"""Longest wait for one check; reading a large database through takes seconds."""

Check = Callable[[], list[Finding]]


def examine(settings: Settings, *, on_check: Callable[[int, int], None] = lambda _done, _all: None) -> list[Finding]:
    """Look at everything the hub works with, whether it runs, is stopped or hangs; nothing is changed.

    `on_check` hears how many of how many checks are done.
    """
    now_ms = WallClock().now_ms
    checks: list[tuple[str, Check]] = [
        ("hub", lambda: check_process(settings)),
        ("broker", lambda: check_broker(settings)),
        ("state database", lambda: check_state(settings)),
        ("telemetry store", lambda: check_telemetry(settings, now_ms=now_ms)),
        ("InfluxDB", lambda: check_influx(settings, now_ms=now_ms)),
        ("clock", lambda: check_clock(settings)),
        ("disk", lambda: check_disk(settings)),
        ("backup", lambda: check_backup(settings, now_ms=now_ms)),
    ]
    n_checks = len(checks) + 1
    found = run_checks(checks, on_check=lambda done: on_check(done, n_checks))
    if any(finding.what == "state database" and finding.verdict is not Verdict.OK for finding in found):
        return [*found, Finding("queues", Verdict.SKIP, "the state database cannot be asked: see its line")]
    return [*found, *run_checks([("queues", lambda: check_queues(settings))])]


def run_checks(
    checks: Sequence[tuple[str, Check]],
    *,
    longest_s: float = LONGEST_S,
    on_check: Callable[[int], None] = lambda _done: None,
) -> list[Finding]:
    """Run the checks beside each other and return their findings in this order; `on_check` hears how many are done."""
    running = [(name, _Run(check)) for name, check in checks]
    found: list[Finding] = []
    for done, (name, run) in enumerate(running):
        on_check(done)
        if run.over.wait(longest_s):
            found += (
                run.findings if run.error is None else [Finding(name, Verdict.FAIL, run.error, "see the hub's log")]
            )
        else:
            detail = f"no answer within {longest_s:g} s"
            found.append(
                Finding(name, Verdict.FAIL, detail, "it hangs: look at it on its own, and at the network to it")
            )
    return found


class _Run:
    """A check in a thread that keeps no process from ending."""

    def __init__(self, check: Check) -> None:
        self.over = threading.Event()
        self.findings: list[Finding] = []
        self.error: str | None = None
        self._check = check
        threading.Thread(target=self._run, name="doctor", daemon=True).start()

    def _run(self) -> None:
        try:
            self.findings = self._check()
        except Exception as error:  # noqa: BLE001 a check that breaks is a finding, and the others go on
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self.over.set()
