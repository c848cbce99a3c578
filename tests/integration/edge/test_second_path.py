"""The second path for real: an agent, a hub behind two brokers, a way that swallows all, a modem on a terminal."""

import json
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.acceptance.outside.client_rest import Json, Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.chaos.proxy import BLACK_HOLE, CLEAR, Proxy, Stroke
from tests.fakes.modem import FakeModem
from tests.integration.edge.agent_process import AgentProcess, run_edge, wait_until

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(180)]
NUMBER = "+8613800138000"


@dataclass
class Place:
    """A site at a hub behind two brokers, and the folder of its node."""

    site: Neighbourhood
    way: Proxy
    folder: Path
    modem: FakeModem

    def alerts(self) -> list[Json]:
        return self.site.alerts(fault_code="sosPressed")


@pytest.fixture
def place(tmp_path: Path) -> Generator[Place]:
    with (
        MosquittoServer.start(tmp_path / "first") as first,
        MosquittoServer.start(tmp_path / "second", auth=BrokerAuth.ANONYMOUS) as second,
        Proxy(first.port) as way,
        closing_modem() as modem,
        ExitStack() as stack,
    ):
        hub = stack.enter_context(killed(Hub(tmp_path / "hub", first.admin_url, extra={"MQTT_URL_2": second.url})))
        hub.start()
        rest = stack.enter_context(closing(Rest(hub.url))).login(*ADMIN)
        site = Neighbourhood(rest, "demo").build()
        site.node("pi-1")
        site.band("band-07")
        folder = tmp_path / "node"
        folder.mkdir()
        (folder / "password").write_text(site.credentials()["password"])
        (folder / "password").chmod(0o600)
        (folder / "presses.csv").write_text("after_s,event,ref\n1,sos_pressed,band-07:1\n")
        (folder / "edge.toml").write_text(f"""site = "demo"
node = "pi-1"
data_dir = "data"
clock = "system"
hub_id = "hub"
broker = {{url = "mqtt://127.0.0.1:{way.port}", password_file = "password"}}
[second_path]
broker = {{url = "mqtt://127.0.0.1:{second.port}"}}
sms = {{port = "{modem.port}", numbers = ["{NUMBER}"], after_s = 3, labels = {{band-07 = "王奶奶"}}}}
[[devices]]
slug = "band-07"
driver = "fake"
options = {{script = "presses.csv", record = "stages.jsonl"}}
""")
        yield Place(site, way, folder, modem)


@contextmanager
def closing_modem() -> Generator[FakeModem]:
    modem = FakeModem()
    try:
        yield modem
    finally:
        modem.stop()


@contextmanager
def killed(hub: Hub) -> Generator[Hub]:
    """A hub that ends with the block, also where it did not become ready."""
    try:
        yield hub
    finally:
        hub.kill()


def test_a_press_behind_a_black_hole_is_one_alert_at_the_hub_and_one_text(place: Place) -> None:
    found = {one["what"]: one["verdict"] for one in json.loads(check(place))["findings"]}
    assert found["second broker as demo.pi-1.sos"] == "OK"
    assert found["sms modem"] == "OK"
    assert place.modem.told == [], "a look sends nothing"
    place.way.turn(BLACK_HOLE)
    with AgentProcess(place.folder) as agent:
        wait_until(lambda: "sent" in stages(place.folder), "sent by the second path")
        (alert,) = place.alerts()
        assert (alert["refs"], alert["state"]) == (["band-07:1"], "firing")
        place.site.admin.post(f"alerts/{alert['id']}/acknowledge", {})
        wait_until(lambda: "heard" in stages(place.folder), "heard by the second path, which is the home hub's too")
        wait_until(lambda: len(place.modem.told) == 1, "a text")
        assert place.modem.told[0][0] == NUMBER
        assert "王奶奶 按下了求助键" in place.modem.told[0][1]
        assert agent.outbox()["lanes"][0]["high_water"] == 0, "only the first path marks it done"
        place.way.turn(CLEAR)
        place.way.turn(Stroke.RESET)
        wait_until(lambda: agent.outbox()["lanes"][0]["pending"] == 0, "done by the first path")
        assert agent.stop() == 0
    (alert,) = place.alerts()
    assert alert["refs"] == ["band-07:1"], "the same press"
    lanes = {lane["lane"]: lane for lane in place.site.admin.items("nodes/demo.pi-1/lanes")}
    assert (lanes["sos"]["high_water"], lanes["sos"]["stored"]) == (1, 1)
    assert len(place.modem.told) == 1


def check(place: Place) -> str:
    done = run_edge("check", "--json", "--config", str(place.folder / "edge.toml"))
    assert done.stderr == ""
    return done.stdout


def stages(folder: Path) -> list[str]:
    path = folder / "stages.jsonl"
    return [json.loads(line)["stage"] for line in path.read_text().splitlines()] if path.exists() else []
