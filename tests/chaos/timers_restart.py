"""A real hub that is down while a shelf ends: how soon after its start people are told, by its own log."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hub.alerts import service as alerts
from hub.clock import WallClock
from hub.events import ConditionRaised
from hub.ids import new_ulid
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.vocabulary import FaultCode, Subject
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest, instant
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.guarantees.guarantee import Run

MOST_S: Final = 5.0
SHELF_S: Final = (1, 4, 12)
"""One ends while the hub is down, one about its start, one later."""
PATIENCE_S: Final = 30.0


def restarted(seed: int) -> Run:
    """Shelve alerts for some seconds, kill the hub, start it again, and read when each shelf ended."""
    del seed
    with (
        tempfile.TemporaryDirectory() as folder,
        MosquittoServer.start(Path(folder, "broker")) as broker,
    ):
        hub = Hub(data_dir=Path(folder, "data"), mqtt_url=broker.admin_url)
        hub.start()
        admin = Rest(hub.url).login(*ADMIN)
        try:
            admin.create("sites", {"slug": "timers", "name": "timers", "time_zone": "UTC"})
            hub.kill()
            due_ms = _shelve(Path(folder, "data", "state.db"))
            time.sleep(SHELF_S[0] + 0.5)
            hub.start()
            serving_ms = WallClock().now_ms()
            admin.login(*ADMIN)
            ended_ms = {alert: _ended_ms(admin, alert) for alert in due_ms}
        finally:
            admin.close()
            hub.kill()
    # Its first sweep may come before the test has noticed that it serves.
    late_s = [max(ended_ms[alert] - max(due, serving_ms), 0) / 1_000 for alert, due in due_ms.items()]
    wrong = [f"a shelf ended {late:.1f} s late after a restart" for late in late_s if late > MOST_S]
    wrong += [f"a shelf ended {due - ended_ms[a]} ms early" for a, due in due_ms.items() if ended_ms[a] < due]
    return Run(f"a real hub, killed over a timer, is {max(late_s):.1f} s late", wrong, {"real_restart_late_s": late_s})


def _shelve(path: Path) -> dict[str, int]:
    """Raise and shelve alerts by the hub's own code while nobody serves; return when each shelf ends."""
    engine = open_engine(f"sqlite:///{path}")
    now_ms = WallClock().now_ms
    transactions = SqlTransactions(engine, react=react, now_ms=now_ms, new_id=new_ulid)
    due: dict[str, int] = {}
    for seconds in SHELF_S:
        subject = Subject("timers", facility=f"timers.bin-{seconds}")
        with transactions.begin() as unit:
            unit.emit(ConditionRaised(subject, FaultCode.BIN_FULL, "threshold_reached", now_ms(), 81.0))
        with transactions.begin() as unit:
            alert = unit.alerts.open_of(subject.key, FaultCode.BIN_FULL)
            assert alert is not None
            until_ms = now_ms() + seconds * 1_000
            _, events = alerts.shelve(unit.alerts, alert.id, until_ms=until_ms, person="li", at_ms=now_ms())
            unit.emit(*events)
            due[alert.id] = until_ms
    engine.dispose()
    return due


def _ended_ms(admin: Rest, alert: str) -> int:
    """Wait for the end of a shelf; return when the hub says it was."""
    found: list[int] = []

    def look() -> bool:
        log = admin.get(f"alerts/{alert}/log")["items"]
        found[:] = [round(instant(entry["at"]).timestamp() * 1_000) for entry in log if entry["step"] == "unshelved"]
        return bool(found)

    _wait(look)
    return found[0]


def _wait(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, "a shelf does not end"
        time.sleep(0.2)
