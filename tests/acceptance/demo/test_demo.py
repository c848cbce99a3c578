"""`linli-sim demo` as anybody starts it: what rest.md §7 promises, within two minutes, and nothing left behind."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(240)]
PROMISED = (
    "STEP alert binFull firing",
    "STEP work-order accepted",
    "STEP work-order on_site",
    "STEP work-order done",
    "STEP work-order closed",
    "STEP work-order unverified",
    "STEP work-order reopened",
    "STEP alert lampFailure firing",
    "STEP alert sosPressed firing",
    "STEP alert sosPressed acknowledged",
    "STEP alert sosPressed closed",
    "STEP alert nodeOffline firing",
)
LINE = re.compile(
    r"READY http://127\.0\.0\.1:\d+ mqtt://127\.0\.0\.1:\d+"
    r"|LOGIN [a-z_]+ [a-z0-9-]+ \S+"
    r"|STEP alert [a-zA-Z]+ (firing|acknowledged|resolved|closed) \S+"
    r"|STEP work-order [a-z_]+ \S+"
    r"|#.*"
)


class Demo:
    """A demo as a child process, its lines with the second each came in."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "simulators", "demo", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[tuple[float, str]] = []

    def read(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))
            yield self.lines[-1][1]

    def read_until(self, beginning: str) -> str:
        return next(line for line in self.read() if line.startswith(beginning))

    def finish(self) -> int:
        for _ in self.read():
            pass
        return self.process.wait(30)

    @property
    def said(self) -> list[str]:
        return [line for _, line in self.lines]

    def when(self, beginning: str) -> float:
        return next(at for at, line in self.lines if line.startswith(beginning))

    def stop(self) -> None:
        """Leave nothing running, whatever the test found."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    running: list[Demo] = []
    yield running
    for demo in running:
        demo.stop()


def started(demos: list[Demo], *options: str) -> Demo:
    demos.append(Demo(*options))
    return demos[-1]


@pytest.mark.parametrize("broker", [(), ("--embedded-broker",)], ids=["mosquitto", "embedded"])
def test_the_story_is_told_within_two_minutes_of_ready(demos: list[Demo], broker: tuple[str, ...]) -> None:
    demo = started(demos, "--once", *broker)
    code = demo.finish()
    story = "\n".join(demo.said)
    assert demo.process.stderr is not None
    assert code == 0, f"{story}\n{demo.process.stderr.read()}"

    for promised in PROMISED:
        assert f"\n{promised}" in story, f"{promised!r} is missing in\n{story}"
    assert [line for line in demo.said if not LINE.fullmatch(line)] == []
    assert len({line.split()[-1] for line in demo.said if line.startswith("STEP alert nodeOffline firing")}) == 1
    assert not [line for line in demo.said if line.startswith("STEP alert communicationFailure")]
    assert [line for line in demo.said if "held back: communicationFailure firing" in line]
    assert demo.lines[-1][0] - demo.when("READY") < 120
    assert re.search(r"produced \d+ = stored \d+ \+ quarantined 0 \+ gaps 0 \+ loss 0", story)
    folder = Path(story.split("# Throw-away data in ")[1].splitlines()[0])
    assert not folder.exists()


def test_whoever_is_named_can_log_in_and_ctrl_c_stops_everything(demos: list[Demo]) -> None:
    demo = started(demos)
    _, url, broker_url = demo.read_until("READY").split()
    demo.read_until("LOGIN carer")
    for line in demo.said:
        if line.startswith("LOGIN"):
            _, _, username, password = line.split()
            form = {"username": username, "password": password}
            assert httpx2.post(f"{url}/api/v1/auth/token", data=form).status_code == 200, line
    demo.read_until("STEP")
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(children) >= 2

    demo.process.send_signal(signal.SIGINT)
    assert demo.finish() == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/healthz")
    assert broker_url.startswith("mqtt://127.0.0.1:")
