"""`linli-edge` as people and service managers meet it: exit codes, one line per mistake, what it loads."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from edge.checks.disk import check_medium
from tests.integration.edge.agent_process import WAIT_S, run_edge

GOOD = """site = "demo"
node = "pi-1"
data_dir = "data"
broker = {url = "mqtt://127.0.0.1:1"}
"""


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def config(folder: Path, text: str) -> str:
    path = folder / "edge.toml"
    path.write_text(text)
    return str(path)


def test_the_version_is_told() -> None:
    told = run_edge("--version")
    assert (told.returncode, told.stdout.split()[0]) == (0, "linli-edge")


@pytest.mark.parametrize("arguments", [(), ("fly",), ("run", "--speed", "9")])
def test_wrong_usage_is_exit_code_two(arguments: tuple[str, ...]) -> None:
    assert run_edge(*arguments).returncode == 2


@pytest.mark.parametrize("command", ["run", "outbox", "check"])
def test_wrong_keys_are_exit_code_two_and_one_line_each(tmp_path: Path, command: str) -> None:
    path = config(tmp_path, GOOD.replace("site", "sight") + 'colour = "red"\n')
    done = run_edge(command, "--config", path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{path}: site: is missing",
        f"{path}: sight: unknown key",
        f"{path}: colour: unknown key",
    ]


def test_mistakes_in_a_devices_options_name_their_keys(tmp_path: Path) -> None:
    devices = """
[[devices]]
slug = "a"
driver = "fake"
options = {skript = "a.csv"}
[[devices]]
slug = "b"
driver = "telepathy"
[[devices]]
slug = "c"
driver = "fake"
options = {script = "c.csv"}
"""
    (tmp_path / "c.csv").write_text("after_s,fill_percent\n0,1\n")
    path = config(tmp_path, GOOD + devices)
    done = run_edge("run", "--config", path)
    assert done.returncode == 2
    lines = [line.removeprefix(f"{path}: ") for line in done.stderr.splitlines()]
    assert any(line.startswith("devices[0].options.skript: ") for line in lines)
    assert any(
        line.startswith("devices[1].driver: unknown driver 'telepathy'; known: ") and " button, fake" in line
        for line in lines
    )
    assert any(line.startswith("devices[2].") for line in lines), "a sensor needs a kind"


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = config(tmp_path, GOOD.replace('"}', '", password_file = "secret"}'))
    done = run_edge("run", "--config", path)
    assert done.returncode == 2
    assert done.stderr == f"{path}: broker.password_file: {tmp_path / 'secret'}: No such file or directory\n"


def test_a_missing_library_says_which_extra_brings_it(tmp_path: Path) -> None:
    program = "import sys; sys.modules['paho'] = None; from edge.__main__ import main; main()"
    done = run_python(program, "run", "--config", config(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (2, "paho-mqtt is not installed; run: pip install 'linli[edge]'\n")


def test_a_stop_while_it_is_still_starting_is_an_orderly_one(tmp_path: Path) -> None:
    path = config(tmp_path, GOOD)
    program = """
import os, signal, sys, threading
from edge.cli import main
threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGTERM)).start()
sys.exit(main(["run", "--config", sys.argv[1]]))
"""
    assert run_python(program, path).returncode == 0


def test_an_outbox_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run_edge("outbox", "--json", "--config", config(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (1, f"there is no outbox in {tmp_path / 'data'}\n")


def test_check_tells_what_is_fine_and_what_is_not_and_what_to_do(tmp_path: Path) -> None:
    done = run_edge("check", "--config", config(tmp_path, GOOD))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    verdicts = {line[5:].partition(":")[0]: line[:4].strip() for line in lines if not line.startswith(" ")}
    assert verdicts[f"data_dir {tmp_path / 'data'}"] == "OK"
    # A chroot knows of no mount point above it.
    medium = {finding.what for finding in check_medium(tmp_path)}
    assert medium | {"clock", "undervoltage"} <= set(verdicts)
    assert verdicts["broker as demo.pi-1.sos"] == verdicts["broker as demo.pi-1"] == "FAIL"
    assert "Connection refused" in done.stdout
    after = [line for before, line in pairwise(lines) if before.startswith(("FAIL", "WARN"))]
    assert all(line.startswith("     -> ") for line in after)
    assert not (tmp_path / "data").exists(), "a check leaves nothing behind"


def test_check_speaks_to_programs_as_well(tmp_path: Path) -> None:
    done = run_edge("check", "--json", "--config", config(tmp_path, GOOD))
    findings = json.loads(done.stdout)["findings"]
    assert {finding["verdict"] for finding in findings} <= {"OK", "WARN", "FAIL", "SKIP"}
    assert all(finding["remedy"] for finding in findings if finding["verdict"] in ("WARN", "FAIL"))


def test_check_finds_a_pin_that_is_used_twice_and_a_password_that_all_can_read(tmp_path: Path) -> None:
    devices = """
[[devices]]
slug = "a"
driver = "button"
options = {pin = 17}
[[devices]]
slug = "b"
driver = "button"
options = {pin = 17}
"""
    path = config(tmp_path, GOOD.replace('"}', '", password = "x"}') + devices)
    done = run_edge("check", "--config", path)
    assert "FAIL pin GPIO17: is used twice: a pin, b pin" in done.stdout
    assert f"WARN password: {path} can be read by everybody" in done.stdout


PROBED = """
[[devices]]
slug = "bin-1"
driver = "fake"
kind = "fill_level"
options = {script = "bin.csv"}
[[devices]]
slug = "light"
driver = "fake"
options = {record = "light.jsonl"}
"""


def test_probe_reads_each_device_once_where_nobody_looks_on(tmp_path: Path) -> None:
    (tmp_path / "bin.csv").write_text("after_s,fill_percent\n0,42\n")
    path = config(tmp_path, GOOD + PROBED)
    done = run_edge("probe", "--config", path)
    assert done.returncode == 0
    head, sensed, light = done.stdout.splitlines()
    assert head.split() == ["device", "driver", "wired", "now"]
    assert sensed.endswith("fill 42 % (quality 100)")
    assert light.split()[:2] == ["light", "fake"]
    told = json.loads(run_edge("probe", "--json", "--config", path).stdout)["devices"]
    assert [(one["device"], one["values"]) for one in told] == [("bin-1", {"fill_percent": 42.0}), ("light", None)]


def test_probe_fails_where_a_device_has_no_value_or_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "bin.csv").write_text("after_s,fill_percent,fault\n0,,no_echo\n")
    broken = PROBED.replace("light.jsonl", "nowhere/light.jsonl")
    done = run_edge("probe", "--config", config(tmp_path, GOOD + broken))
    assert done.returncode == 1
    _, sensed, light = done.stdout.splitlines()
    assert sensed.endswith("! no_echo: scripted")
    assert "! record " in light


def test_calibrate_says_what_there_is_to_calibrate(tmp_path: Path) -> None:
    (tmp_path / "bin.csv").write_text("after_s,fill_percent\n0,1\n")
    path = config(tmp_path, GOOD + PROBED)
    assert run_edge("calibrate", "--config", path).stderr == "say which device to calibrate; there are: none\n"
    assert run_edge("calibrate", "bin-1", "--config", path).stderr == (
        "bin-1: there is nothing to calibrate about 'fake'\n"
    )
    assert run_edge("calibrate", "bin-9", "--config", path).returncode == 1


def test_the_service_can_be_looked_at_and_nothing_is_done(tmp_path: Path) -> None:
    done = run_edge("install-service", "--dry-run", "--config", config(tmp_path, GOOD))
    assert "ExecStart=" in done.stdout
    assert "$ systemctl enable linli-edge.service" in done.stdout
    assert done.returncode == (1 if "that the service cannot see" in done.stderr else 0)


def test_the_agent_loads_neither_web_nor_sql_toolkit_nor_influx() -> None:
    program = """
import sys
import edge.app, edge.cli, edge.drivers.fake
heavy = "edge.owner edge.checks "
heavy += "fastapi starlette sqlalchemy influxdb_client httpx2 typer rich structlog asyncio hub simulators"
print(sorted(set(heavy.split()) & set(sys.modules)))
"""
    assert run_python(program).stdout.strip() == "[]"
