"""Which texts have gone out is known after a crash too and ends with its call; without a modem it costs nothing."""

from collections.abc import Generator
from pathlib import Path

import pytest

from edge.errors import OutboxError
from edge.outbox import CallStage
from tests.contract.edge.outbox_life import OutboxLife, a_call, store

AT = "2026-11-21T08:00:10.000Z"
TEXT = ("band-07:1", "+8613800138000")


@pytest.fixture
def life(tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path)
    life.open()
    yield life
    life.crash()


def test_a_text_is_known_after_a_crash_once(life: OutboxLife) -> None:
    store(life.outbox, a_call())
    assert life.outbox.calls.texts() == frozenset()
    life.outbox.calls.mark_text(*TEXT, at=AT)
    life.outbox.calls.mark_text(*TEXT, at=AT)
    assert life.reopen().calls.texts() == {TEXT}


def test_a_ref_that_comes_back_after_its_end_has_no_texts_yet(life: OutboxLife) -> None:
    store(life.outbox, a_call())
    life.outbox.calls.mark_text(*TEXT, at=AT)
    store(life.outbox, a_call())
    assert life.outbox.calls.texts() == {TEXT}, "a repeat of an open call"
    life.outbox.calls.mark_call("band-07:1", CallStage.CLOSED, at=AT)
    store(life.outbox, a_call())
    assert life.reopen().calls.texts() == frozenset()


def test_texts_are_forgotten_with_their_calls(life: OutboxLife) -> None:
    store(life.outbox, a_call())
    life.outbox.calls.mark_text(*TEXT, at=AT)
    life.outbox.calls.mark_call("band-07:1", CallStage.CLOSED, at=AT)
    life.outbox.calls.forget(before=AT)
    assert life.outbox.calls.texts() == {TEXT}
    life.outbox.calls.forget(before="2026-11-22T00:00:00.000Z")
    assert life.outbox.calls.texts() == frozenset()


def test_a_disk_that_takes_nothing_says_so_and_takes_it_later(life: OutboxLife) -> None:
    store(life.outbox, a_call())
    life.outbox.database.rows("PRAGMA query_only = 1")
    with pytest.raises(OutboxError):
        life.outbox.calls.mark_text(*TEXT, at=AT)
    assert life.outbox.calls.texts() == frozenset()
    life.outbox.database.rows("PRAGMA query_only = 0")
    life.outbox.calls.mark_text(*TEXT, at=AT)
    assert life.outbox.calls.texts() == {TEXT}


def test_without_a_text_the_file_is_as_before(life: OutboxLife) -> None:
    store(life.outbox, a_call())
    assert life.outbox.database.row("SELECT 1 FROM sqlite_master WHERE name = 'texts'") is None
