"""A recorded container through the real hub in simulated time: all of it arrives, the rule decides as by hand."""

import asyncio
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulators.demo.stage import HubServer
from simulators.rest import HubClient, Login
from simulators.servers.mosquitto import MosquittoServer
from tests.shared_data import SharedData
from tests.terminal import run_in_terminal

pytestmark = [pytest.mark.mosquitto, pytest.mark.shared_data, pytest.mark.timeout(300)]
CONTAINER = "data_2067_5"
SAMPLES = 300
"""Some weeks of it, from its first sample on."""
PASSWORD = "replayed-password"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with MosquittoServer.start(tmp_path / "broker") as broker:
        simulated = {"LINLI_CLOCK": "messages", "LINLI_ENVIRONMENT": "simulation"}
        server = HubServer(tmp_path / "hub", broker=broker, admin_password=PASSWORD, settings=simulated)
        with server.launch() as running:
            yield running


def recorded(path: Path) -> list[tuple[datetime, float]]:
    with path.open() as file:
        rows = [
            (datetime.fromisoformat(row["Time"]).replace(tzinfo=UTC), float(row["p"])) for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: row[0])


def full_by_hand(samples: list[tuple[datetime, float]]) -> list[datetime]:
    """When the bin is full by the shipped rule: two readings in a row from 80 %, armed again by one below 60 %."""
    found: list[datetime] = []
    full, above = False, 0
    for at, percent in samples:
        if full:
            full = percent >= 60
            above = 0
        else:
            above = above + 1 if percent >= 80 else 0
            if above == 2:
                full = True
                found.append(at)
    return found


def asked(hub: HubServer, path: str, **filters: str) -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        async with HubClient(hub.url, login=Login("admin", PASSWORD)) as client:
            return await client.items(path, limit=200, **filters)

    return asyncio.run(ask())


def token(hub: HubServer) -> str:
    async def ask() -> str:
        async with HubClient(hub.url) as client:
            return await client.token(Login("admin", PASSWORD))

    return asyncio.run(ask())


def test_weeks_of_one_container_alert_as_by_hand(hub: HubServer, shared_data: SharedData, tmp_path: Path) -> None:
    samples = recorded(shared_data.path(f"prague-bin-fill/{CONTAINER}.csv"))[:SAMPLES]
    path = tmp_path / f"{CONTAINER}.csv"
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{percent:g}" for at, percent in reversed(samples)]
    path.write_text("\n".join(["Time,p", *rows]))
    command = [
        sys.executable,
        "-m",
        "simulators",
        "replay",
        "--hub",
        hub.url,
        "--token",
        token(hub),
        "--site",
        "prague",
    ]
    done = run_in_terminal([*command, str(path)])

    assert done.code == 0, done
    print(done.printed)
    assert f"SAMPLES {len(samples)} " in done.printed
    assert f"produced {len(samples)} = stored {len(samples)} + quarantined 0 + gaps 0 + loss 0" in done.printed
    assert f"{len(samples)}/{len(samples)}" in done.terminal, "the bar came to its end"
    assert "\x1b" not in done.printed
    alerts = asked(hub, "alerts", site="prague", fault_code="binFull")
    expected = full_by_hand(samples)
    assert len(expected) > 10
    fired = sorted(datetime.fromisoformat(alert["fired_at"]) for alert in alerts)
    assert [at.replace(microsecond=0) for at in fired] == expected
    assert not asked(hub, "alerts", site="prague", fault_code="nodeOffline")
