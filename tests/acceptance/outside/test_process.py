"""rest.md §7: settings, exit codes, one clear line per mistake, simulated time."""

import json
import re
import socket
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_rest import Rest, check_problem, instant
from tests.acceptance.outside.hub_process import ADMIN, Hub, free_port, run_hub
from tests.acceptance.outside.neighbourhood import Neighbourhood

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[MosquittoServer]:
    """A broker for hubs that come and go, so that they do not answer the nodes of the shared hub."""
    with MosquittoServer.start(tmp_path_factory.mktemp("process-broker")) as server:
        yield server


@pytest.fixture
def hub(own_broker: MosquittoServer, fresh_dir: Path) -> Generator[Hub]:
    """A hub of this test's own, not started; stopped afterwards."""
    made = Hub(data_dir=fresh_dir, mqtt_url=own_broker.admin_url)
    yield made
    made.stop()


def settings_of(hub: Hub, **overrides: str) -> dict[str, str]:
    return {**hub.settings(), **overrides}


def test_a_wrong_setting_is_one_line_that_names_the_key_and_exit_2(hub: Hub) -> None:
    done = run_hub("serve", settings=settings_of(hub, HTTP_PORT="70000"))
    assert done.code == 2, (done.code, done.out, done.err)
    (line,) = done.err_lines
    assert "http_port" in line.lower()
    assert "Traceback" not in done.err + done.out


@pytest.mark.parametrize(("key", "value"), [("MQTT_URL", "carrier-pigeon://nowhere"), ("DATABASE_URL", "not a url")])
def test_a_wrong_address_is_one_line_that_names_the_key_and_exit_2(hub: Hub, key: str, value: str) -> None:
    done = run_hub("serve", settings=settings_of(hub, **{key: value}))
    assert done.code == 2, (done.code, done.out, done.err)
    (line,) = done.err_lines
    assert key.lower() in line.lower()
    assert "Traceback" not in done.err + done.out


def test_every_wrong_setting_has_its_own_line(hub: Hub) -> None:
    wrong = {
        "HTTP_PORT": "eighty",
        "BROKER_ADMIN": "magic",
        "CLOCK": "sundial",
    }
    done = run_hub("serve", settings=settings_of(hub, **wrong))
    assert done.code == 2, (done.code, done.err)
    assert len(done.err_lines) == len(wrong), done.err
    for key in wrong:
        assert sum(key.lower() in line.lower() for line in done.err_lines) == 1, (key, done.err)


def test_a_wrong_key_in_the_file_is_named(hub: Hub, tmp_path: Path) -> None:
    config = tmp_path / "linli.toml"
    config.write_text("htpp_port = 8080\n")
    done = run_hub("serve", settings=settings_of(hub, CONFIG=str(config)))
    assert done.code == 2, (done.code, done.err)
    assert any("htpp_port" in line.lower() for line in done.err_lines), done.err


def test_settings_come_from_the_file_secrets_from_files_and_the_environment_wins(hub: Hub, tmp_path: Path) -> None:
    config, secret = tmp_path / "linli.toml", tmp_path / "admin"
    config.write_text(f'http_port = {free_port()}\nbroker_admin = "dynsec"\n')
    secret.write_text("from-a-file-0123\n")
    given = hub.settings()
    del given["ADMIN_PASSWORD"], given["BROKER_ADMIN"]
    hub.only = {**given, "CONFIG": str(config), "ADMIN_PASSWORD_FILE": str(secret)}
    hub.start()
    Rest(hub.url).login("admin", "from-a-file-0123").close()


def test_messages_as_clock_are_refused_outside_a_simulation(hub: Hub) -> None:
    done = run_hub("serve", settings=settings_of(hub, CLOCK="messages"))
    assert done.code == 2, (done.code, done.err)
    assert any("clock" in line.lower() for line in done.err_lines)


def test_a_port_in_use_is_one_clear_line(hub: Hub) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_hub("serve", settings=settings_of(hub, HTTP_PORT=str(port)))
    assert done.code == 1, (done.code, done.err)
    assert any(str(port) in line for line in done.err_lines), done.err
    assert "Traceback" not in done.err + done.out


def test_a_running_hub_holds_its_directory_slows_guessing_down_and_ends_with_0(hub: Hub) -> None:
    hub.start()
    second = run_hub("serve", settings=settings_of(hub, HTTP_PORT=str(free_port())))
    assert second.code in (1, 2), (second.code, second.err)
    assert any(str(hub.data_dir) in line for line in second.err_lines), second.err
    assert "Traceback" not in second.err + second.out
    assert httpx2.get(f"{hub.url}/healthz").status_code == 200

    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 60:
        response = httpx2.post(f"{hub.url}/api/v1/auth/token", data={"username": "admin", "password": "guess"})
        check_problem(response)
        statuses.append(response.status_code)
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1
    assert set(statuses) == {401, 429}

    assert hub.stop() == 0
    assert "Traceback" not in hub.stderr()


def test_a_wrong_broker_password_is_one_clear_line(hub: Hub, own_broker: MosquittoServer) -> None:
    hub.mqtt_url = f"mqtt://{own_broker.admin_username}:wrong@127.0.0.1:{own_broker.port}"
    done = run_hub("serve", settings=hub.settings())
    assert done.code in (1, 2), (done.code, done.err)
    clear = [line for line in done.err_lines if re.search(r"broker|mqtt", line, re.IGNORECASE)]
    assert len(clear) == 1, done.err
    assert "wrong" not in done.err, "a password must not be told"
    assert "Traceback" not in done.err + done.out


def test_without_an_admin_password_one_is_made_and_printed_once(hub: Hub) -> None:
    given = hub.settings()
    given.pop("ADMIN_PASSWORD")
    hub.only = given
    hub.start()
    (printed,) = [line for line in hub.stdout().splitlines() if "admin" in line.lower()]
    assert can_log_in(hub.url, printed.split()[-1])
    hub.stop()
    hub.start()
    assert [line for line in hub.stdout().splitlines() if "admin" in line.lower()] == [printed]
    assert printed.split()[-1] not in hub.stderr()


def can_log_in(url: str, password: str) -> bool:
    response = httpx2.post(f"{url}/api/v1/auth/token", data={"username": "admin", "password": password})
    return response.status_code == 200


def test_an_unknown_command_is_usage(hub: Hub) -> None:
    assert run_hub("dance").code == 2
    assert run_hub("--help").code == 0


def test_config_check_and_show_tell_no_secret(hub: Hub) -> None:
    given = hub.settings()
    assert run_hub("config", "check", settings=given).code == 0
    shown = run_hub("config", "show", "--json", settings=given)
    assert shown.code == 0, shown.err
    body = json.loads(shown.out)
    assert str(hub.http_port) in json.dumps(body)
    assert ADMIN[1] not in shown.out
    assert hub.mqtt_url.split(":")[2].split("@")[0] not in shown.out
    assert run_hub("config", "check", settings={**given, "HTTP_PORT": "eighty"}).code == 2


def test_lists_of_the_command_line_are_json(hub: Hub) -> None:
    given = hub.settings()
    assert run_hub("migrate", settings=given).code == 0
    for noun in ("users", "alerts", "work-orders", "quarantine"):
        done = run_hub(noun, "list", "--json", settings=given)
        assert done.code == 0, (noun, done.err)
        json.loads(done.out)


def test_time_of_messages_replays_hours_in_moments_with_the_same_decisions(hub: Hub) -> None:
    hub.extra = {"ENVIRONMENT": "simulation", "CLOCK": "messages"}
    hub.start()
    admin = Rest(hub.url).login(*ADMIN)
    site = Neighbourhood(admin, "sim").build()
    site.crew("waste")
    site.node("pi-2")
    client = site.online()
    other = site.online("pi-2")
    _, device = site.bin()
    _, other_device = site.bin("bin-43", node="pi-2")
    site.rule("binFull", confirm_readings=1, hold_s=3600)

    def says(at: str, percent: float) -> dict[str, object]:
        uptime_ms = int((instant(at).timestamp() - 1.76e9) * 1000)
        record = client.fill(device, percent, at=at, uptime_ms=uptime_ms)
        return client.deliver("telemetry", record, now={"at": at, "uptime_ms": uptime_ms})

    assert str(says("2026-11-01T00:00:00.000Z", 90)["hub_time"]).startswith("2026-11-01T00:00:00")
    says("2026-11-01T00:40:00.000Z", 91)
    assert site.alerts(fault_code="binFull") == []
    says("2026-11-01T01:10:00.000Z", 92)
    alert = site.alert("binFull", "firing")
    assert alert["fired_at"].startswith(("2026-11-01T01:00", "2026-11-01T01:1"))
    later = "2026-11-01T06:00:00.000Z"
    uptime_ms = int((instant(later).timestamp() - 1.76e9) * 1000)
    other.deliver(
        "telemetry",
        other.fill(other_device, 10, at=later, uptime_ms=uptime_ms),
        now={"at": later, "uptime_ms": uptime_ms},
    )
    dead = site.alert("nodeOffline", "firing", where=lambda item: item["node"] == site.id("pi-1"))
    assert dead["fired_at"].startswith("2026-11-01T0"), "in the time of the messages"
    hub.kill()
    hub.start()
    admin.login(*ADMIN)
    assert str(other.hello("telemetry")["hub_time"]).startswith("2026-11-01T06:00:00"), "the time is stored"
    site.close()
    admin.close()
