"""The hub's log as its readers get it: a process of its own, whose stderr is a pipe or a terminal."""

import json
import os
import subprocess
import sys
from typing import Any, Final

from tests.terminal import run_in_terminal

PROGRAM: Final = """
import logging, sys, threading, warnings
import structlog
from hub.logs import set_up_logs
set_up_logs(verbose="verbose" in sys.argv)
log = structlog.get_logger("hub.test")
log.debug("test.detail")
log.info("test.seen", site="花园", count=3, lines="one\\ntwo")
def fail(password):
    raise ValueError("a\\nb")
try:
    fail("wachtwoord")
except ValueError:
    log.exception("test.failed", place="webhook:1")
library = logging.getLogger("apscheduler.scheduler")
library.info("not of interest")
library.warning("Execution of job %s skipped", "sweep")
library.error('Job "%s" raised an exception', "sweep")
logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers (url=%s)", "https://robot/send?key=k3y")
warnings.warn("old", DeprecationWarning, stacklevel=1)
thread = threading.Thread(target=fail, args=("wachtwoord",), name="ingest-sos")
thread.start()
thread.join()
fail("wachtwoord")
"""


def piped(*arguments: str, **more: str) -> list[dict[str, Any]]:
    """Return the lines a service's journal gets."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM, *arguments],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return [json.loads(line) for line in done.stderr.splitlines()]


def in_a_terminal(**more: str) -> str:
    """Return what a person sees."""
    shown = run_in_terminal([sys.executable, "-W", "default", "-c", PROGRAM], {**os.environ, **more})
    assert (shown.code, shown.printed) == (1, "")
    return shown.terminal


def test_a_service_gets_one_json_object_for_each_event() -> None:
    lines = piped()
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "test.seen"),
        ("error", "test.failed"),
        ("warning", "library.said"),
        ("warning", "library.said"),
        ("critical", "thread.failed"),
        ("critical", "hub.failed"),
    ]
    assert all(line["at"].endswith("Z") for line in lines)
    assert list(lines[0]) == ["at", "level", "event", "site", "count", "lines"]
    assert (lines[0]["site"], lines[0]["count"], lines[0]["lines"]) == ("花园", 3, "one\ntwo")
    assert (lines[2]["library"], lines[2]["text"]) == ("apscheduler", "Execution of job sweep skipped")
    assert lines[3]["library"] == "py"
    assert lines[4]["thread"] == "ingest-sos"


def test_a_trace_is_a_field_and_shows_no_values() -> None:
    failed = [line for line in piped() if line["event"].endswith(".failed")]
    assert [line["trace"].endswith("ValueError: a\nb") for line in failed] == [True, True, True]
    assert [line for line in piped() if "k3y" in str(line)] == []


def test_details_are_for_whoever_asks() -> None:
    assert piped("verbose")[0]["event"] == "test.detail"


def test_a_terminal_gets_lines_to_read_with_traces_and_without_values() -> None:
    shown = in_a_terminal()
    assert "{" not in shown
    assert "test.seen" in shown
    assert "count=3" in shown
    assert shown.count("ValueError: a") == 3
    assert "wachtwoord" not in shown.replace('fail("wachtwoord")', "")
    assert "format_exc_info" not in shown, "structlog does not complain of our set-up"


def test_a_service_with_a_terminal_gets_json_too() -> None:
    first, *_ = in_a_terminal(JOURNAL_STREAM="8:1").splitlines()
    assert json.loads(first)["event"] == "test.seen"
