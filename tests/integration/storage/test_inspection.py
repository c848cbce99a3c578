"""What the doctor counts in the state database, on both databases."""

from pathlib import Path

import pytest

from hub.errors import StorageError
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import Queues, read_queues
from hub.storage.sql.migrate import upgrade
from tests.integration.storage.waiting import put_what_waits

AT_MS = 1_795_000_000_000


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:///{tmp_path / 'state.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )


def test_what_waits_is_counted_and_what_does_not_is_left_out(url: str) -> None:
    engine = open_engine(url)
    with pytest.raises(StorageError, match="linli-hub migrate"):
        read_queues(engine, at_ms=lambda: AT_MS)
    upgrade(engine)
    quiet = read_queues(engine, at_ms=lambda: AT_MS)
    put_what_waits(engine, at_ms=AT_MS)
    found = read_queues(engine, at_ms=lambda: AT_MS)
    engine.dispose()
    assert (quiet.overdue, quiet.failed_in_a_day, quiet.held, quiet.silent, quiet.calls) == (0, 0, 0, [], [])
    assert found == Queues(
        overdue=3,
        overdue_for_life=1,
        failed_in_a_day=2,
        held=2,
        silent=["demo.pi-1"],
        calls=["demo.band-07", "demo.band-08"],
        calls_attended=1,
    )
