"""Release and discard by the command line, on the stores of a stopped hub and through a running one."""

import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from hub.access.service import new_passwords
from hub.ids import new_ulid
from hub.ingest.quarantine import QuarantineState
from hub.people.service import ensure_admin
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.tables import quarantine
from hub.storage.sql.unit_of_work import SqlTransactions
from simulators.servers.mosquitto import MosquittoServer
from simulators.servers.process import free_port
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


def decided(settings: dict[str, str], step: str, item: str, *more: str) -> tuple[int, str, str]:
    done = run("quarantine", step, item, "--comment", "looked at", "--json", *more, settings=settings)
    return done.returncode, done.stdout, done.stderr


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


@pytest.mark.mosquitto
def test_items_are_decided_by_the_running_hub(settings: dict[str, str], tmp_path: Path) -> None:
    hub = serve(settings, tmp_path / "log")
    try:
        answered(settings)
        decide_all_ways(settings)
        hub.terminate()
        assert hub.wait(20) == 0
    finally:
        hub.kill()
        hub.wait()


@pytest.mark.mosquitto
def test_nobody_and_nothing_are_named(settings: dict[str, str]) -> None:
    code, _, said = decided(settings, "discard", held(settings), "--as", "nobody")
    assert (code, "no user 'nobody'" in said) == (1, True)
    code, _, said = decided(settings, "discard", new_ulid())
    assert (code, "no quarantined item" in said) == (1, True)
