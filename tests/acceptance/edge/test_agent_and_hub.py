"""The real agent and the real hub on a real broker with its real credentials; both sides are looked at from outside."""

import json
from pathlib import Path

import pytest

from tests.acceptance.edge.neighbourhood import Neighbourhood, on_every_database
from tests.integration.edge.agent_process import AgentProcess, run_edge, wait_until

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(400)]


def a_node(folder: Path, demo: Neighbourhood, *, bin_script: str, band_script: str, interval_s: float = 1) -> Path:
    """The folder of an agent with the credentials that the hub gave it."""
    folder.mkdir()
    (folder / "password").write_text(f"{demo.password}\n")
    (folder / "bin.csv").write_text(bin_script)
    (folder / "band.csv").write_text(band_script)
    (folder / "edge.toml").write_text(
        f"""site = "demo"
node = "pi-1"
data_dir = "data"
broker = {{url = "{demo.broker.url}", password_file = "password"}}

[[devices]]
slug = "bin-42-us"
driver = "fake"
kind = "fill_level"
interval_s = {interval_s}
options = {{script = "bin.csv"}}

[[devices]]
slug = "band-07"
driver = "fake"
options = {{script = "band.csv", record = "stages.jsonl"}}
"""
    )
    return folder


def stages(folder: Path) -> list[str]:
    path = folder / "stages.jsonl"
    return [json.loads(line)["stage"] for line in path.read_text().splitlines()] if path.exists() else []


@on_every_database
def test_a_call_is_seen_stored_sent_heard_and_closed_by_people(tmp_path: Path, demo: Neighbourhood) -> None:
    bins, band = "after_s,fill_percent\n0,40\n", "after_s,event,ref\n1,sos_pressed,band-07:1\n"
    folder = a_node(tmp_path / "node", demo, bin_script=bins, band_script=band)
    assert run_edge("check", "--config", str(folder / "edge.toml")).returncode == 0
    with AgentProcess(folder) as agent:
        wait_until(lambda: stages(folder)[:2] == ["stored", "sent"], "the call is sent")
        (alert,) = demo.get("alerts", site="demo", fault_code="sosPressed")["items"]
        demo.post(f"alerts/{alert['id']}/acknowledge", comment="on it")
        wait_until(lambda: stages(folder)[-1] == "heard", "the call is heard")
        demo.post(f"alerts/{alert['id']}/resolve", outcome="helped")
        wait_until(lambda: stages(folder)[-1] == "cleared", "the call is closed")
        assert stages(folder) == ["stored", "sent", "heard", "cleared"]
        (call,) = agent.outbox()["sos"]
        assert call["sent_at"] is not None
        assert call["heard_at"] is not None
        assert agent.stop() == 0
