"""Release and discard by the command line, on the stores of a stopped hub and through a running one."""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from hub.access.service import new_passwords
from hub.cli import app
from hub.errors import HubError
from hub.ids import new_ulid
from hub.ingest.quarantine import QuarantineState
from hub.people.service import ensure_admin
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.tables import quarantine
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.series import SeriesQuery
from protocols.lanes import Lane
from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.process import free_port
from tests.integration.ingest.conftest import START_MS, IngestHarness, a_reading
from tests.integration.ingest.test_release import register
from tests.integration.upkeep.hub_command import run, serve
from tests.integration.upkeep.test_doctor import answered


@pytest.fixture
def settings(tmp_path: Path, mosquitto_anonymous: MosquittoServer) -> dict[str, str]:
    made = {
        "DATA_DIR": str(tmp_path / "data"),
        "HTTP_PORT": str(free_port()),
        "MQTT_URL": mosquitto_anonymous.url,
        "BROKER_ADMIN": "none",
        "ADMIN_PASSWORD": "admin-password",
    }
    (tmp_path / "data").mkdir()
    engine = open_engine(f"sqlite:///{made['DATA_DIR']}/state.db")
    upgrade(engine)
    with SqlTransactions(engine, react=react, now_ms=lambda: 1, new_id=new_ulid).begin() as unit:
        ensure_admin(
            unit.people,
            made["ADMIN_PASSWORD"],
            hasher=new_passwords(),
            new_id=new_ulid,
            new_password=str,
            at_ms=1,
        )
    engine.dispose()
    return made


def held(settings: dict[str, str], *, site: str = "demo") -> str:
    """Put undecodable bytes into quarantine and return the item's id."""
    engine, made = open_engine(f"sqlite:///{settings['DATA_DIR']}/state.db"), new_ulid()
    with engine.begin() as connection:
        connection.execute(
            insert(quarantine).values(
                id=made,
                received_at_ms=1,
                site=site,
                node="pi-1",
                lane="telemetry",
                reason="malformed_json",
                detail="no JSON",
                raw=b"{",
                raw_hash=made,
                count=1,
                state=QuarantineState.HELD.value,
            )
        )
    engine.dispose()
    return made


@contextmanager
def on_the_stores(settings: dict[str, str]) -> Generator[IngestHarness]:
    """Work on the state database as a hub's ingest does."""
    ingest = IngestHarness(f"sqlite:///{settings['DATA_DIR']}/state.db")
    yield ingest
    ingest.engine.dispose()


def refused(settings: dict[str, str]) -> str:
    """Have a record of a device refused that is registered only now; return the quarantined item's id."""
    with on_the_stores(settings) as ingest:
        ingest.send(Lane.TELEMETRY, 1, a_reading(device="bin-1-new", fill_percent=77))
        register(ingest, "bin-1-new", "demo.bin-1")
        with ingest.transactions.read() as unit:
            (item,) = unit.quarantine.page(sites=None, state="held")
    return item.id


def decided(settings: dict[str, str], step: str, item: str) -> tuple[int, str, str]:
    """Run the command in this process, which is what makes many of them cheap."""
    others = dict.fromkeys(key for key in os.environ if key.startswith("LINLI_"))
    env: dict[str, str | None] = {**others, **{f"LINLI_{key}": value for key, value in settings.items()}}
    done = CliRunner().invoke(app, ("quarantine", step, item, "--comment", "looked at", "--json"), env=env)
    if isinstance(done.exception, HubError):  # `run` makes a line on stderr and this exit code of it
        return 1, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def release_once(settings: dict[str, str], item: str) -> None:
    code, told, said = decided(settings, "release", item)
    assert code == 0, said
    (shown,) = json.loads(told)
    assert (shown["id"], shown["state"], shown["comment"]) == (item, "released", "looked at")
    code, _, said = decided(settings, "release", item)
    assert (code, "released already" in said) == (1, True), said


def stored_and_counted(settings: dict[str, str]) -> None:
    """The record is in the telemetry store under its seq, and its lane counts it as stored."""
    telemetry = SqliteTelemetryStore.open(Path(settings["DATA_DIR"]) / "telemetry.db")
    found = telemetry.query(SeriesQuery("demo", "bin-1", "fill_percent", 0, START_MS * 2)).samples
    telemetry.close()
    assert [(sample.value, sample.at_ns) for sample in found] == [(77, START_MS * 1_000_000 + 1)], "a point of seq 1"
    engine = open_engine(f"sqlite:///{settings['DATA_DIR']}/state.db")
    with SqlTransactions(engine, react=react, now_ms=lambda: 1, new_id=new_ulid).read() as unit:
        (lane,) = unit.lanes.items("demo", "pi-1")
    engine.dispose()
    assert (lane.high_water, lane.stored, lane.quarantined, lane.gaps) == (1, 1, 0, 0)


def decide_all_ways(settings: dict[str, str]) -> None:
    item = held(settings)
    code, _, said = decided(settings, "release", item)
    assert (code, "malformed_json" in said) == (1, True), said
    code, told, said = decided(settings, "discard", item)
    assert code == 0, said
    (shown,) = json.loads(told)
    assert (shown["id"], shown["state"], shown["comment"]) == (item, "discarded", "looked at")
    assert shown["decided_by"]
    code, _, said = decided(settings, "discard", item)
    assert (code, "already" in said) == (1, True), said


@pytest.mark.mosquitto
def test_items_are_decided_on_the_stores_of_a_stopped_hub(settings: dict[str, str]) -> None:
    decide_all_ways(settings)
    release_once(settings, refused(settings))
    stored_and_counted(settings)


@pytest.mark.mosquitto
def test_items_are_decided_by_the_running_hub(settings: dict[str, str], tmp_path: Path) -> None:
    item = refused(settings)
    hub = serve(settings, tmp_path / "log")
    try:
        answered(settings)
        decide_all_ways(settings)
        release_once(settings, item)
        hub.terminate()
        assert hub.wait(20) == 0
    finally:
        hub.kill()
        hub.wait()
    stored_and_counted(settings)


@pytest.mark.mosquitto
def test_nobody_and_nothing_are_named(settings: dict[str, str]) -> None:
    done = run("quarantine", "discard", held(settings), "--comment", "x", "--as", "nobody", settings=settings)
    assert (done.returncode, "no user 'nobody'" in done.stderr, done.stderr.count("\n")) == (1, True, 1)
    done = run("quarantine", "discard", new_ulid(), "--comment", "x", settings=settings)
    assert (done.returncode, "no quarantined item" in done.stderr) == (1, True)
