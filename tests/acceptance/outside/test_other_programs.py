"""rest.md §7: `linli-edge` and `linli-sim` as anybody would start them, beside the hub of the other tests."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.outside.client_rest import instant
from tests.acceptance.outside.hub_process import clean_environment, console_script
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World


def program(name: str, *arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """Runs a console script to its end."""
    return subprocess.run(
        [console_script(name), *arguments],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture
def edge_toml(site: Neighbourhood, world: World, tmp_path: Path) -> Path:
    """The example of rest.md §7 with this test's names."""
    site.node()
    site.bin(interval_s=60)
    (tmp_path / "password").write_text(site.credentials()["password"] + "\n")
    (tmp_path / "bin.csv").write_text("after_s,fill_percent\n0,40\n1,81\n2,82\n3,83\n")
    config = tmp_path / "edge.toml"
    broker_url = f"mqtt://{world.broker_host}:{world.broker_port}"
    options = f'options = {{script = "{tmp_path / "bin.csv"}"}}'
    config.write_text(
        f'site = "{site.slug}"\nnode = "pi-1"\ndata_dir = "{tmp_path / "edge"}"\n'
        f'broker = {{url = "{broker_url}", password_file = "{tmp_path / "password"}"}}\n'
        f'devices = [{{slug = "bin-42-us", driver = "fake", kind = "fill_level", interval_s = 1, {options}}}]\n'
    )
    return config


def test_the_agent_carries_a_script_to_an_alert_and_shows_its_outbox(site: Neighbourhood, edge_toml: Path) -> None:
    site.crew("waste")
    checked = program("linli-edge", "check", "--config", str(edge_toml))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with (edge_toml.parent / "edge.log").open("wb") as log:
        agent = subprocess.Popen(
            [console_script("linli-edge"), "run", "--config", str(edge_toml)], stdout=log, stderr=log
        )
    try:
        alert = site.alert("binFull", "firing", timeout_s=20)
        assert alert["facility"] == site.id("bin-42")
        site.order_state(alert["work_order"], "assigned")
    finally:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(20) == 0, (edge_toml.parent / "edge.log").read_text()[-2000:]
    shown = program("linli-edge", "outbox", "--json", "--config", str(edge_toml))
    assert shown.returncode == 0, shown.stderr
    lanes = {lane["lane"]: lane for lane in json.loads(shown.stdout)["lanes"]}
    assert set(lanes) == {"sos", "event", "telemetry"}
    telemetry = lanes["telemetry"]
    assert telemetry["next"] - 1 == telemetry["high_water"] + telemetry["pending"]
    assert telemetry["high_water"] >= 2
    stored = next(row for row in site.lanes() if row["lane"] == "telemetry")
    assert stored["epoch"] == telemetry["epoch"]
    assert stored["high_water"] >= telemetry["high_water"]


def test_the_agents_check_says_what_is_wrong(edge_toml: Path) -> None:
    (edge_toml.parent / "password").write_text("wrong\n")
    checked = program("linli-edge", "check", "--config", str(edge_toml))
    assert checked.returncode != 0
    assert "broker" in (checked.stdout + checked.stderr).lower()
    assert "Traceback" not in checked.stdout + checked.stderr


def test_a_wrong_configuration_of_the_agent_names_the_key_and_exits_2(edge_toml: Path) -> None:
    edge_toml.write_text(edge_toml.read_text().replace("interval_s = 1", 'interval_s = "often"'))
    started = program("linli-edge", "run", "--config", str(edge_toml))
    assert started.returncode == 2
    assert "interval_s" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_simulated_fleet_registers_itself_and_writes_its_truth(world: World, tmp_path: Path) -> None:
    truth = tmp_path / "out.jsonl"
    fleet = subprocess.Popen(
        [
            console_script("linli-sim"),
            "fleet",
            *("--hub", world.hub.url, "--token", str(world.admin.token), "--nodes", "2", "--seed", "7"),
            *("--speed", "60", "--truth", str(truth), "--site", "fleet"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        world.admin.wait(
            lambda: world.admin.call("GET", "nodes", params={"site": "fleet"}).json()["items"], what="the fleet's nodes"
        )
        node = world.admin.items("nodes", site="fleet")[0]
        world.admin.wait(
            lambda: any(row["stored"] for row in world.admin.items(f"nodes/{node['id']}/lanes")),
            what="records of the fleet",
            timeout_s=20,
        )
    finally:
        fleet.send_signal(signal.SIGINT)
        said, _ = fleet.communicate(timeout=30)
    assert fleet.returncode == 0, said
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert lines
    for node in world.admin.items("nodes", site="fleet"):
        instant(node["created_at"])
        for row in world.admin.items(f"nodes/{node['id']}/lanes"):
            assert row["high_water"] == row["stored"] + row["quarantined"] + row["gaps"]
