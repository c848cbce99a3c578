"""The real agent, a real mosquitto and a scripted hub: the way of a reading, the way of a call, and what breaks."""

import json
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from protocols.ack import SosStage
from protocols.lanes import Lane
from protocols.presence import PresenceState
from protocols.topics import NodeAddress
from simulators.servers.mosquitto import MosquittoServer
from tests.contract.edge.outbox_life import spoil_page
from tests.integration.edge.agent_process import AgentProcess, run_edge, wait_until
from tests.integration.edge.scripted_hub import ScriptedHub

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(300)]
ADDRESS = NodeAddress("demo", "pi-1")


@pytest.fixture
def hub(mosquitto_anonymous: MosquittoServer) -> Generator[ScriptedHub]:
    with ScriptedHub(mosquitto_anonymous.port, address=ADDRESS) as scripted:
        yield scripted


def a_folder(
    path: Path, *, port: int, script: str, interval_s: float = 0.2, clock: str = "system", more: str = ""
) -> Path:
    """An edge.toml with one scripted device that senses, calls and shows."""
    (path / "script.csv").write_text(script)
    (path / "edge.toml").write_text(
        f"""site = "demo"
node = "pi-1"
data_dir = "data"
clock = "{clock}"
broker = {{url = "mqtt://127.0.0.1:{port}"}}
{more}
[[devices]]
slug = "bin-42-us"
driver = "fake"
kind = "fill_level"
interval_s = {interval_s}
options = {{script = "script.csv", record = "stages.jsonl"}}
"""
    )
    return path


def stages(folder: Path) -> list[str]:
    """What the device's indicator was shown, in order."""
    path = folder / "stages.jsonl"
    return [json.loads(line)["stage"] for line in path.read_text().splitlines()] if path.exists() else []


def counting(seconds: int, *, every_s: float = 0.2) -> str:
    """A script whose fill level is a different number at every step, so that each reading can be told apart."""
    steps = int(seconds / every_s)
    return "after_s,fill_percent\n" + "".join(f"{n * every_s:.3f},{n / steps * 100:.4f}\n" for n in range(steps))


def test_readings_reach_the_hub_in_order_and_are_done(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=counting(20))
    with AgentProcess(folder) as agent:
        wait_until(lambda: len(hub.stored(Lane.TELEMETRY)) >= 10, "ten readings at the hub")
        wait_until(lambda: agent.outbox()["lanes"][2]["high_water"] >= 10, "ten readings done")
        assert agent.stop() == 0
    levels = [record.values["fill_percent"] for record in hub.stored(Lane.TELEMETRY)]
    assert levels == sorted(levels)
    states = [status.state for status in hub.statuses]
    assert (states[0], states[-1]) == (PresenceState.ONLINE, PresenceState.OFFLINE)


def test_a_caller_sees_stored_sent_heard_and_on_the_way(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    script = "after_s,event,ref\n1.0,sos_pressed,band-07:1\n"
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=script)
    with AgentProcess(folder) as agent:
        wait_until(lambda: stages(folder) == ["stored", "sent"], "stored, then sent")
        hub.push_stage("band-07:1", SosStage.HEARD, by="Duty desk")
        hub.push_stage("band-07:1", SosStage.ON_THE_WAY, by="Duty desk")
        hub.push_stage("band-07:1", SosStage.CLOSED, by="Duty desk")
        wait_until(lambda: stages(folder)[-1] == "cleared", "the call is closed")
        assert stages(folder) == ["stored", "sent", "heard", "on_the_way", "cleared"]
        (call,) = agent.outbox()["sos"]
        assert set(call) == {"ref", "stored_at", "sent_at", "heard_at", "heard_by"}
        assert (call["ref"], call["heard_by"]) == ("band-07:1", "Duty desk")


def test_a_call_that_nobody_takes_is_shown_as_failed_and_still_goes_out(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    hub.answers = False
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script="after_s,event,ref\n0.2,sos_pressed,band-07:1\n")
    with AgentProcess(folder):
        wait_until(lambda: stages(folder) == ["stored", "failed"], "failed after 10 s")
        hub.answers = True
        wait_until(lambda: stages(folder) == ["stored", "failed", "sent"], "sent at last")


def test_time_is_learnt_from_the_hub_and_told_as_an_anchor(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=1, script=counting(20), clock="hub")
    with AgentProcess(folder) as agent:
        wait_until(
            lambda: (folder / "data" / "outbox.db").exists() and agent.outbox()["lanes"][2]["pending"] >= 5,
            "five readings without a time",
        )
        agent.kill()
        a_folder(tmp_path, port=mosquitto_anonymous.port, script=counting(20), clock="hub")
        agent.start()
        wait_until(lambda: len(hub.stored(Lane.TELEMETRY)) >= 10, "readings with and without a time")
    assert {hello.clock for hello in hub.book.hellos} >= {"unsynced"}


def test_a_corrupt_outbox_is_set_aside_and_reported_in_hello_and_as_an_event(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=counting(20), more='self_device = "pi-1-self"')
    (folder / "data").mkdir()
    (folder / "data" / "outbox.db").write_bytes(b"no database at all" * 500)
    with AgentProcess(folder):
        wait_until(lambda: len(hub.stored(Lane.EVENT)) == 1, "the event is at the hub")
        wait_until(lambda: len(hub.stored(Lane.TELEMETRY)) >= 3, "readings flow")
    (event,) = hub.stored(Lane.EVENT)
    assert (event.device, event.event, event.details["because"]) == ("pi-1-self", "outbox_reset", "outbox_corrupt")
    assert {hello.new_epoch_because for hello in hub.book.hellos} == {"outbox_corrupt"}
    assert (folder / "data" / event.details["set_aside"]).exists()


def test_a_press_on_an_outbox_that_a_page_of_is_spoilt_at_work_is_heard_and_the_next_start_saves_what_is_left(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    script = "after_s,event,ref\n10,sos_pressed,band-07:1\n"
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=script)
    with AgentProcess(folder) as agent:
        wait_until(lambda: len(hub.book.hellos) >= 3, "every lane has said hello")
        time.sleep(3)  # its first upkeep is over: the next to look at the page is the press
        spoil_page(folder / "data" / "outbox.db", "calls")
        assert agent.ended() == 1
        assert "band-07:1" in hub.book.calls
        assert stages(folder)[-1] == "sent"
        assert "what is left of it is saved at the next start" in agent.log.read_text().splitlines()[-1]
        agent.start()
        because = "outbox_corrupt"
        wait_until(lambda: because in {hello.new_epoch_because for hello in hub.book.hellos}, "the reset is told")


def test_a_second_agent_on_the_same_folder_is_told_so_in_one_line(
    tmp_path: Path, mosquitto_anonymous: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=counting(20))
    with AgentProcess(folder) as agent:
        wait_until(lambda: agent.starts() == 1, "the first agent runs")
        second = run_edge("run", "--config", str(agent.config))
        assert second.returncode == 1
        assert second.stderr.splitlines() == [
            f"data_dir {folder / 'data'} is in use by another agent (pid {agent.pid})"
        ]
        checked = run_edge("check", "--config", str(agent.config))
        assert checked.returncode == 0
        assert f"runs (pid {agent.pid})" in checked.stdout
        probed = run_edge("probe", "--config", str(agent.config))
        assert (probed.returncode, probed.stdout) == (1, "")
        assert f"the agent runs (pid {agent.pid}) and holds the devices; stop it first" in probed.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_with_zero(tmp_path: Path, number: int) -> None:
    folder = a_folder(tmp_path, port=1, script=counting(20))
    with AgentProcess(folder) as agent:
        wait_until(lambda: agent.starts() == 1, "it runs")
        assert agent.stop(number) == 0


def test_check_asks_the_hub_for_its_time_once_there_is_an_outbox(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=mosquitto_anonymous.port, script=counting(20))
    before = run_edge("check", "--config", str(folder / "edge.toml"))
    assert "SKIP clock skew: the hub is asked by the agent itself at its first start" in before.stdout
    with AgentProcess(folder) as agent:
        wait_until(lambda: agent.starts() == 1 and len(hub.stored(Lane.TELEMETRY)) >= 3, "it runs")
        assert agent.stop() == 0
    asked = run_edge("check", "--config", str(folder / "edge.toml"))
    assert (asked.returncode, "OK   clock skew: " in asked.stdout) == (0, True)
    assert len({(hello.epoch, hello.boot) for hello in hub.book.hellos}) == 1, "to the hub it was the same node"
    hub.answers = False
    silent = run_edge("check", "--config", str(folder / "edge.toml"))
    assert (silent.returncode, "WARN hub: " in silent.stdout) == (0, True)


def test_a_wrong_password_is_one_clear_line_and_check_says_so(
    tmp_path: Path, mosquitto_dynsec: MosquittoServer
) -> None:
    folder = a_folder(tmp_path, port=mosquitto_dynsec.port, script=counting(20))
    text = (folder / "edge.toml").read_text().replace('"}', '", password_file = "secret"}', 1)
    (folder / "edge.toml").write_text(text)
    (folder / "secret").write_text("wrong\n")
    checked = run_edge("check", "--config", str(folder / "edge.toml"))
    assert checked.returncode == 1
    assert "FAIL broker as demo.pi-1: " in checked.stdout
    assert "ot authorized" in checked.stdout
    with AgentProcess(folder) as agent:
        wait_until(lambda: agent.log.read_text().count("link.refused") >= 2, "both connections are refused")
        os.kill(agent.pid, signal.SIGTERM)
    refused = [line for line in agent.log.read_text().splitlines() if "link.refused" in line]
    assert len(refused) == 2


LOCAL = """
[[devices]]
slug = "siren"
driver = "fake"
options = {record = "siren.jsonl"}
[[devices]]
slug = "bin-light"
driver = "fake"
options = {record = "light.jsonl"}
[[local_rules]]
when = "sos"
output = "siren"
[[local_rules]]
when = "bin_full"
output = "bin-light"
"""


def shown(folder: Path, name: str) -> list[str]:
    """What an output was told, in order."""
    path = folder / f"{name}.jsonl"
    return [json.loads(line)["stage"] for line in path.read_text().splitlines()] if path.exists() else []


def test_without_a_hub_a_call_sounds_the_siren_and_a_full_bin_lights_its_lamp_also_after_a_kill(
    tmp_path: Path, hub: ScriptedHub, mosquitto_anonymous: MosquittoServer
) -> None:
    script = "after_s,fill_percent,event,ref\n0,90,,\n1.0,90,sos_pressed,band-07:1\n"
    folder = a_folder(tmp_path, port=1, script=script)
    config = folder / "edge.toml"
    config.write_text(config.read_text() + LOCAL)
    with AgentProcess(folder) as agent:
        wait_until(lambda: shown(folder, "siren") == ["failed"], "the siren sounds offline")
        wait_until(lambda: shown(folder, "light") == ["alert"], "the bin's lamp is lit offline")
        agent.kill()
        (folder / "script.csv").write_text("after_s,fill_percent\n0,70\n6,40\n")
        agent.start()
        wait_until(lambda: shown(folder, "siren") == ["failed", "failed"], "the siren sounds again")
        wait_until(lambda: shown(folder, "light") == ["alert", "alert"], "70 % is within the band")
        wait_until(lambda: shown(folder, "light")[-1] == "cleared", "the bin was emptied")
        agent.kill()
        config.write_text(config.read_text().replace("127.0.0.1:1", f"127.0.0.1:{mosquitto_anonymous.port}"))
        agent.start()
        wait_until(lambda: shown(folder, "siren") == ["failed"] * 3, "the siren sounds until somebody has heard it")
        wait_until(lambda: stages(folder)[-1] == "sent", "the call is at the hub")
        hub.push_stage("band-07:1", SosStage.HEARD, by="Duty desk")
        wait_until(lambda: shown(folder, "siren")[-1] == "cleared", "silent when a person has heard it")
        told = {row["output"]: (row["on"], row["reason"]) for row in agent.outbox()["local_outputs"]}
        assert told == {"siren": (False, "call_heard"), "bin-light": (False, "below_leave_threshold")}
