"""Silence is told in time: of edges in four ways, of the hub, of the way for SOS; and test presses disturb nobody."""

import json
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from random import Random

import pytest

from tests.acceptance.outside.hub_process import run_hub
from tests.chaos.listener import Listener, until
from tests.chaos.liveness import (
    AFTER_S,
    FAULTS,
    SILENT_S,
    SOS_AFTER_S,
    Stage,
    WatchdogProcess,
    silent_broker,
    silent_edges,
    stage,
)
from tests.chaos.liveness_timeline import control, worst

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(300)]
SELDOM_S = 4.0
"""Between test presses."""
LATE_S = 4.0
"""What a busy machine may add."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    with stage(tmp_path_factory.mktemp("liveness")) as opened:
        yield opened


@pytest.fixture
def listener() -> Generator[Listener]:
    with Listener() as opened:
        yield opened


def test_an_edge_that_is_silent_in_whatever_way_is_reported_and_so_is_a_dead_way_for_sos(at: Stage) -> None:
    told = silent_edges(at, Random(7))
    assert set(told) == set(FAULTS)
    assert max(told.values()) <= SOS_AFTER_S + LATE_S
    reasons = {node: alert["reason"] for node, alert in at.offline().items()}
    assert reasons[f"demo.pi-{FAULTS.index('black hole for SOS alone') + 1}"] == "sos_lane_silent"
    nodes = {item["slug"]: item["state"] for item in at.rest.get("nodes", site="demo")["items"]}
    assert AFTER_S > SOS_AFTER_S
    assert nodes[f"pi-{FAULTS.index('black hole for SOS alone') + 1}"] == "online"


def test_people_are_told_of_a_frozen_hub_once_also_when_the_watchdog_is_killed_in_the_middle(
    at: Stage, listener: Listener
) -> None:
    with WatchdogProcess(at, listener) as watchdog:
        pressed = at.probes()
        until(lambda: at.probes() > pressed + 1, "test presses come through", within_s=60)
        listener.refusing = True
        os.kill(at.hub.pid, signal.SIGSTOP)
        try:
            took_s = until(lambda: letters(watchdog) != [], "it wants to tell", within_s=4 * SILENT_S)
            watchdog.kill()
            listener.refusing = False
            watchdog.start()
            until(lambda: len(listener.heard) == 1, "what nobody took is told after the restart", within_s=30)
            until(lambda: letters(watchdog) == [], "it knows that it was told", within_s=10)
            watchdog.kill()
            watchdog.start()
            until(lambda: watchdog.log.read_text().count("watchdog.watching") == 3, "it watches again", within_s=30)
        finally:
            os.kill(at.hub.pid, signal.SIGCONT)
        until(lambda: len(listener.heard) > 1, "told that it is over", within_s=30)
        assert watchdog.stop() == 0
    assert took_s <= SILENT_S + LATE_S
    (_, begun, text), (_, over, _) = listener.heard
    assert "SOS path in trouble" in begun
    assert "the hub does not answer" in text
    assert "well again" in over


def test_people_are_told_of_a_dead_way_for_sos_and_of_no_test_press(at: Stage, listener: Listener) -> None:
    with WatchdogProcess(at, listener, probe_every_s=SELDOM_S):
        pressed = at.probes()
        until(lambda: at.probes() > pressed, "test presses come through", within_s=60)
        # The hub, which says how it is each second, shall have been well after the last press came through: then it is
        # the way for SOS that is silent first.
        time.sleep(SELDOM_S - 1)
        told = silent_broker(at, listener)
        pressed = at.probes()
        until(lambda: at.probes() > pressed, "they come through again", within_s=20)
    assert told["told_s"] <= SILENT_S + LATE_S
    begun, over = listener.titles
    assert "SOS path in trouble" in begun
    assert "well again" in over
    assert "a real SOS may not either" in listener.heard[0][2]
    assert "linli-watchdog" not in at.hub.stdout()
    assert at.rest.get("alerts", site="linli-watchdog")["items"] == []
    assert [item for item in at.rest.get("notifications")["items"] if item["channel"] == "sink"] == []
    assert all(site["slug"] != "linli-watchdog" for site in at.rest.get("sites")["items"])


def letters(watchdog: WatchdogProcess) -> list[object]:
    return json.loads((watchdog.folder / "watchdog.json").read_text())["letters"]


def test_a_wrong_password_or_nobody_to_tell_is_one_line(at: Stage, tmp_path: Path) -> None:
    nobody = run_hub("watchdog", settings={"WATCHDOG_DATA_DIR": str(tmp_path)})
    assert nobody.code == 2
    assert [line.split(":")[0] for line in nobody.err_lines] == ["LINLI_WATCHDOG_TELL"]
    untold = run_hub("watchdog", "--test", settings={"WATCHDOG_TELL": "json://127.0.0.1:9/"})
    assert untold.code == 1
    assert untold.out.startswith("json: ")


def test_by_the_defaults_people_are_told_within_90_and_60_seconds_and_the_controls_are_caught() -> None:
    told = worst(7, times=10)
    assert all(took_s is not None for took_s in told.values()), told
    assert max(told["edge silent"] or 0, told["SOS lane silent"] or 0) <= 90 - LATE_S
    assert max(told["hub silent"] or 0, told["chain silent"] or 0) <= 60 - LATE_S
    assert control(7)["caught"], control(7)
