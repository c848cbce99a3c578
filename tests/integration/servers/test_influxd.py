from pathlib import Path

import httpx2
import pytest

from simulators.servers.influxd import InfluxServer

pytestmark = pytest.mark.influxd


def write(server: InfluxServer, database: str, lines: str) -> int:
    with httpx2.Client(trust_env=False) as client:
        return client.post(f"{server.url}/write", params={"db": database, "precision": "ns"}, content=lines).status_code


def test_a_written_point_is_read_back_in_milliseconds(influx: InfluxServer) -> None:
    influx.create_database("read_back")
    assert write(influx, "read_back", "fill_level,site=demo fill_percent=81 1700000000123000007") == 204
    rows = influx.query('SELECT * FROM "fill_level"', database="read_back")
    assert rows == [{"time": 1700000000123, "fill_percent": 81, "site": "demo"}]


def test_an_absent_database_is_refused(influx: InfluxServer) -> None:
    assert write(influx, "never_made", "fill_level fill_percent=81") == 404


def test_points_outlive_a_kill(tmp_path: Path) -> None:
    with InfluxServer.start(tmp_path) as server:
        server.create_database("kept")
        assert write(server, "kept", "fill_level fill_percent=81 1700000000000000000") == 204
        server.kill()
        assert not server.running
        server.restart()
        assert [row["fill_percent"] for row in server.query('SELECT * FROM "fill_level"', database="kept")] == [81]
