"""The outbox at its limits loses what it may, says so, and keeps every call and event."""

from tests.chaos.outbox_limits import run


def test_at_its_limits_an_outbox_gives_up_readings_only_and_declares_each() -> None:
    assert run(1, full=False).wrong == []
