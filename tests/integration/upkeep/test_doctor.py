"""`linli-hub doctor` beside real servers: hub stopped, running and hung; each fault has its line."""

import json
import signal
import time
from pathlib import Path

import httpx2
import pytest

from hub.clock import WallClock
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.process import free_port
from tests.integration.storage.waiting import put_what_waits
from tests.integration.upkeep.hub_command import run, serve


def settings_for(folder: Path, mqtt_url: str, **more: str) -> dict[str, str]:
    return {
        "DATA_DIR": str(folder / "data"),
        "HTTP_PORT": str(free_port()),
        "MQTT_URL": mqtt_url,
        "BROKER_ADMIN": "dynsec",
        **more,
    }


def doctor(settings: dict[str, str]) -> tuple[int, dict[str, tuple[str, str]]]:
    done = run("doctor", "--json", settings=settings)
    assert done.stderr == ""
    return done.returncode, {row["what"]: (row["verdict"], row["detail"]) for row in json.loads(done.stdout)}


def answered(settings: dict[str, str], *, path: str = "readyz") -> None:
    url, until = f"http://127.0.0.1:{settings['HTTP_PORT']}/{path}", time.monotonic() + 60
    while True:
        try:
            httpx2.get(url, timeout=2, trust_env=False).raise_for_status()
        except httpx2.HTTPError:
            assert time.monotonic() < until
            time.sleep(0.2)
        else:
            return


@pytest.mark.mosquitto
def test_a_hub_is_looked_at_before_its_start_while_it_runs_hung_and_stopped(
    tmp_path: Path, mosquitto_dynsec: MosquittoServer
) -> None:
    settings = settings_for(tmp_path, mosquitto_dynsec.admin_url)
    _, before = doctor(settings)
    assert before["hub"] == ("WARN", "does not run")
    assert before["broker rights"][0] == "OK"
    assert (before["state database"][0], before["queues"][0]) == ("WARN", "SKIP")
    assert not (tmp_path / "data").exists(), "the doctor changes nothing"
    hub = serve(settings, tmp_path / "log")
    try:
        answered(settings)
        code, running = doctor(settings)
        wells = ("hub", "broker", "broker rights", "state database", "state integrity", "telemetry store", "disk")
        assert {running[what][0] for what in (*wells, "open SOS", "quarantine", "silent nodes")} == {"OK"}
        assert code in (0, 1), "1 where no time service keeps this machine's clock"
        hub.send_signal(signal.SIGSTOP)
        code, hung = doctor(settings)
        assert code == 2
        assert hung["hub"][0] == "FAIL"
        assert "does not answer" in hung["hub"][1]
        assert (hung["state database"][0], hung["quarantine"][0]) == ("OK", "OK")
        hub.send_signal(signal.SIGCONT)
        hub.terminate()
        assert hub.wait(20) == 0
    finally:
        hub.kill()
        hub.wait()
    _, stopped = doctor(settings)
    assert (stopped["hub"][0], stopped["state integrity"][0]) == ("WARN", "OK")


@pytest.mark.mosquitto
def test_a_wrong_password_and_a_broker_without_dynsec_are_told_apart(
    tmp_path: Path, mosquitto_dynsec: MosquittoServer, mosquitto_anonymous: MosquittoServer
) -> None:
    wrong = f"mqtt://admin:wrong@127.0.0.1:{mosquitto_dynsec.port}"
    code, found = doctor(settings_for(tmp_path, wrong))
    assert (code, found["broker"][0]) == (2, "FAIL")
    assert "Not authorized" in found["broker"][1]
    plain = f"mqtt://admin:any@127.0.0.1:{mosquitto_anonymous.port}"
    code, found = doctor(settings_for(tmp_path, plain))
    assert (code, found["broker"][0], found["broker rights"][0]) == (2, "OK", "FAIL")


@pytest.mark.postgres
def test_postgresql_is_asked_for_its_schema_and_for_what_waits(tmp_path: Path, postgres_url: str) -> None:
    with_password = postgres_url.replace("postgres@", "postgres:wachtwoord@")
    away = f"mqtt://admin:x@127.0.0.1:{free_port()}"
    settings = settings_for(tmp_path, away, DATABASE_URL=with_password)
    _, empty = doctor(settings)
    assert (empty["state database"][0], "empty" in empty["state database"][1]) == ("WARN", True)
    assert empty["queues"][0] == "SKIP"
    engine = open_engine(postgres_url)
    upgrade(engine)
    put_what_waits(engine, at_ms=WallClock().now_ms())
    engine.dispose()
    done = run("doctor", settings=settings)
    assert done.returncode == 2
    told = done.stdout.splitlines()
    (state,) = [line for line in told if " state database: " in line]
    assert state.startswith("OK   state database: postgresql+psycopg://postgres:***@127.0.0.1:")
    assert "wachtwoord" not in done.stdout
    assert "state integrity" not in done.stdout, "PostgreSQL looks after its own files"
    for line in (
        "FAIL open SOS: 2 unacknowledged: demo.band-07, demo.band-08",
        "FAIL notifications due: 5 due for more than a minute, 2 of them for life-safety",
        "WARN notifications failed: 1 in a day",
        "WARN quarantine: 2 held",
        "WARN silent nodes: 1: demo.pi-1",
    ):
        assert line in told
    gone = f"postgresql://postgres:wachtwoord@127.0.0.1:{free_port()}/linli"
    _, found = doctor({**settings, "DATABASE_URL": gone})
    assert (found["state database"][0], found["queues"][0]) == ("FAIL", "SKIP")
    assert "wachtwoord" not in str(found)


@pytest.mark.influxd
def test_influxdb_is_asked_for_its_database_and_its_time(tmp_path: Path, influx: InfluxServer) -> None:
    away = f"mqtt://admin:x@127.0.0.1:{free_port()}"
    settings = settings_for(tmp_path, away, INFLUX_URL=influx.url, INFLUX_BUCKET="absent")
    _, found = doctor(settings)
    assert "no database 'absent'" in found["InfluxDB"][1]
    assert found["clock beside InfluxDB"][0] == "OK"
    influx.create_database("doctored")
    _, found = doctor({**settings, "INFLUX_BUCKET": "doctored"})
    assert found["InfluxDB"][0] == "OK"
    _, found = doctor({**settings, "INFLUX_URL": f"http://127.0.0.1:{free_port()}"})
    assert found["InfluxDB"][0] == "FAIL"


def test_damaged_files_are_named(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, f"mqtt://a:b@127.0.0.1:{free_port()}")
    (tmp_path / "data").mkdir()
    for name in ("state.db", "telemetry.db"):
        (tmp_path / "data" / name).write_bytes(b"no database" * 500)
    code, found = doctor(settings)
    assert code == 2
    assert (found["state database"][0], found["telemetry store"][0]) == ("FAIL", "FAIL")
    assert (found["broker"][0], found["queues"][0]) == ("FAIL", "SKIP")
