"""Probe and calibrate in a terminal, as the Pi's owner sees them: mock pins, and an echo whose length the test sets."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.edge.agent_process import wait_until

AGAIN_S = 2.0
TEXT = """# Node at gate 3: empty_mm = 1200 is from the drawing
site = "demo"
node = "pi-1"
data_dir = "data"
broker = {url = "mqtt://127.0.0.1:1"}

[[devices]]
slug = "bin-1"   # the green one
driver = "ultrasonic"
kind = "fill_level"
options = {trigger_pin = 23, echo_pin = 24, empty_mm = 1200.0, full_mm = 300.0}   # measured?
"""
PROGRAM = """
import signal
import sys
from pathlib import Path
import gpiozero
from edge.cli import main
from protocols.fill_level import echo_s
from tests.contract.drivers.bench import a_sensor_bench

signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in a shell's background it is ignored
factory, trigger = a_sensor_bench()
gpiozero.Device.pin_factory = factory
distance = Path(sys.argv[1])

def aim():
    trigger.echoes[:] = [echo_s(float(distance.read_text()) + trigger.pulses % 7 / 50)]

trigger.on_pulse = aim
sys.exit(main(sys.argv[2:]))
"""


class Terminal:
    """A child on a pseudo-terminal: what it has written, and a keyboard."""

    def __init__(self, master: int, child: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._master, self._child, self._folder = master, child, folder
        self.text = ""
        os.set_blocking(master, False)

    def shows(self, text: str) -> bool:
        """Whether this has been written since the keyboard was used last."""
        with suppress(BlockingIOError, OSError):
            self.text += os.read(self._master, 65_536).decode()
        return text in self.text

    def answer(self, question: str, line: str) -> None:
        """Wait for a question and type a line."""
        wait_until(lambda: self.shows(question), f"it asks: {question}")
        self.text = ""
        os.write(self._master, f"{line}\n".encode())

    def target_at(self, mm: float) -> None:
        (self._folder / "distance").write_text(str(mm))

    def interrupt(self, text: str) -> None:
        """Ctrl-C until this is shown: one that comes just before the keyboard is read counts at the next key only."""
        pressed_s = float("-inf")

        def heard() -> bool:
            nonlocal pressed_s
            if time.monotonic() - pressed_s > AGAIN_S:
                pressed_s = time.monotonic()
                self._child.send_signal(signal.SIGINT)
            return self.shows(text)

        wait_until(heard, f"it hears Ctrl-C and says: {text}")

    def ended(self, text: str = "") -> int:
        """Wait for the end, having shown this; return the exit code."""
        wait_until(lambda: self.shows(text) and self._child.poll() is not None, f"it ends with: {text}")
        return self._child.wait()


@contextmanager
def a_terminal(folder: Path, *arguments: str) -> Generator[Terminal]:
    (folder / "distance").write_text("1180")
    master, slave = pty.openpty()
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(folder / "distance"),
        *arguments,
        "--config",
        str(folder / "edge.toml"),
    ]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as child:
        os.close(slave)
        try:
            yield Terminal(master, child, folder)
        finally:
            child.kill()
            os.close(master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "edge.toml").write_text(TEXT)
    return tmp_path


def test_a_calibration_measures_and_writes_into_the_file_keeping_its_comments(folder: Path) -> None:
    (folder / "edge.toml").chmod(0o640)
    with a_terminal(folder, "calibrate") as terminal:
        terminal.answer("Enter measures, or type", "")
        wait_until(lambda: terminal.shows("2/3  Full"), "empty is measured")
        terminal.target_at(310)
        terminal.answer("Enter measures, or type", "")
        wait_until(lambda: terminal.shows("3/3  Blind zone"), "full is measured")
        terminal.target_at(225)
        terminal.answer("s skips", "")
        terminal.answer("Write this into", "y")
        assert terminal.ended("Written.") == 0
    after = (folder / "edge.toml").read_text()
    assert after == TEXT.replace("empty_mm = 1200.0,", "empty_mm = 1180,").replace("full_mm = 300.0", "full_mm = 310")
    assert (folder / "edge.toml.before").read_text() == TEXT
    assert (folder / "edge.toml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("way", ["q", "interrupt"])
def test_a_calibration_can_be_ended_at_any_question_and_changes_nothing(folder: Path, way: str) -> None:
    with a_terminal(folder, "calibrate", "bin-1") as terminal:
        if way == "q":
            terminal.answer("Enter measures, or type", "q")
        else:
            wait_until(lambda: terminal.shows("Enter measures, or type"), "it asks")
            terminal.interrupt("Nothing was changed.")
        assert terminal.ended("Nothing was changed.") == 1
    assert (folder / "edge.toml").read_text() == TEXT


def test_a_calibration_can_be_ended_while_it_measures(folder: Path) -> None:
    with a_terminal(folder, "calibrate", "bin-1") as terminal:
        terminal.answer("Enter measures, or type", "")
        wait_until(lambda: terminal.shows("measuring"), "it measures")
        terminal.interrupt("Nothing was changed.")
        assert terminal.ended("Nothing was changed.") == 1
    assert (folder / "edge.toml").read_text() == TEXT


def test_what_is_not_written_is_shown_to_paste(folder: Path) -> None:
    with a_terminal(folder, "calibrate") as terminal:
        terminal.answer("Enter measures, or type", "1000")
        terminal.answer("Enter measures, or type", "250")
        terminal.answer("s skips", "s")
        terminal.answer("Write this into", "n")
        assert terminal.ended("full_mm = 250") == 0
    assert (folder / "edge.toml").read_text() == TEXT


def test_lines_to_paste_are_shown_where_the_file_cannot_be_written(folder: Path) -> None:
    (folder / ".edge.toml.new").mkdir()
    with a_terminal(folder, "calibrate") as terminal:
        terminal.answer("Enter measures, or type", "1000")
        terminal.answer("Enter measures, or type", "250")
        terminal.answer("s skips", "s")
        terminal.answer("Write this into", "y")
        assert terminal.ended("    empty_mm = 1000") == 0
        assert terminal.shows("cannot be written")
    assert (folder / "edge.toml").read_text() == TEXT


def test_a_probe_in_a_terminal_is_drawn_again_until_it_is_interrupted(folder: Path) -> None:
    with a_terminal(folder, "probe") as terminal:
        wait_until(lambda: terminal.shows("distance 118"), "the bin's level")
        terminal.target_at(480)
        wait_until(lambda: terminal.shows("distance 48"), "the new level")
        terminal.interrupt("\x1b[?1049l")
        assert terminal.ended("\x1b[?1049l") == 0
