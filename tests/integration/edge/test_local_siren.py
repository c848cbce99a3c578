"""A button on a mock pin sounds a siren's relay on another: the whole agent, its real drivers, and no hub."""

import subprocess
import sys
from pathlib import Path

from tests.integration.edge.agent_process import WAIT_S

TEXT = """site = "demo"
node = "pi-1"
data_dir = "data"
broker = {url = "mqtt://127.0.0.1:1"}
[[devices]]
slug = "band-07"
driver = "button"
options = {pin = 17, hold_s = 0.2}
[[devices]]
slug = "siren"
driver = "relay"
options = {pin = 26, max_on_s = 60}
[[local_rules]]
when = "sos"
output = "siren"
longest_s = 2
"""
PROGRAM = """
import os, signal, sys, time
from threading import Thread
import gpiozero
from gpiozero.pins.mock import MockFactory
from edge.cli import main

factory = gpiozero.Device.pin_factory = MockFactory()
button, relay = factory.pin(17), factory.pin(26)
button.drive_high()

def within(holds):
    until = time.monotonic() + 20
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()

def story():
    within(lambda: relay.function == "output" and button.when_changed is not None)
    print("silent" if not relay.state else "on before anybody called", flush=True)
    button.drive_low()
    print("sounds" if within(lambda: relay.state) else "never sounded", flush=True)
    button.drive_high()
    print("ends" if within(lambda: not relay.state) else "never ended", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

Thread(target=story, daemon=True).start()
sys.exit(main(["run", "--config", sys.argv[1]]))
"""


def test_a_button_held_sounds_the_relay_for_the_longest_time_and_no_longer(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(TEXT)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "edge.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * WAIT_S, check=False)
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, ["silent", "sounds", "ends"]), done.stderr
    assert "local.on rule=sos device=band-07 output=siren reason=call_unanswered" in done.stderr
    assert "local.off rule=sos device=band-07 output=siren reason=sounded_longest" in done.stderr
