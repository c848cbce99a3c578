"""A reset password on a real state database: the old one is void, sessions end, the audit log says so."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hub.access.service import Access, new_passwords
from hub.access.tokens import Tokens
from hub.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from hub.ids import new_secret, new_ulid
from hub.people.service import ensure_admin, retire_person
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.upkeep.passwords import check_password, reset_password

AT_MS = 1_795_000_000_000


class Desk:
    """A running hub's door, and the command line beside it on the same file."""

    def __init__(self, path: Path) -> None:
        self.engines = [open_engine(f"sqlite:///{path / 'state.db'}") for _ in range(2)]
        upgrade(self.engines[0])
        self.running, self.beside = (
            SqlTransactions(engine, react=react, now_ms=lambda: AT_MS, new_id=new_ulid) for engine in self.engines
        )
        self.passwords = new_passwords()
        with self.running.begin() as unit:
            ensure_admin(
                unit.people,
                "first-password",
                hasher=self.passwords,
                new_id=new_ulid,
                new_password=lambda: "",
                at_ms=AT_MS,
            )
        self.access = Access(
            self.running,
            tokens=Tokens(b"k" * 32),
            passwords=self.passwords,
            wall_ms=lambda: AT_MS,
            new_secret=new_secret,
        )

    def reset(self, username: str = "admin", password: str = "second-password") -> int:
        done = reset_password(self.beside, username, password, hasher=self.passwords, at_ms=AT_MS)
        return done.sessions_ended


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    for engine in opened.engines:
        engine.dispose()


def test_the_new_password_signs_in_and_whatever_the_old_one_opened_is_over(desk: Desk) -> None:
    account = desk.access.sign_in("admin", "first-password", address="a")
    cookies = [desk.access.open_session(account) for _ in range(2)]
    token = desk.access.issue_token(account)
    assert desk.reset() == 2
    assert [desk.access.by_session(cookie) for cookie in cookies] == [None, None]
    assert desk.access.by_token(token) is None
    with pytest.raises(UnauthenticatedError):
        desk.access.sign_in("admin", "first-password", address="a")
    assert desk.access.sign_in("admin", "second-password", address="a").id == account.id


def test_the_audit_log_says_whose_password_was_reset_by_nobody_signed_in_and_holds_no_secret(desk: Desk) -> None:
    desk.reset()
    with desk.running.read() as unit:
        (line,) = unit.audit.page(sites=None, site=None, person=None, action="reset_password", before=None, limit=10)
        admin = unit.people.named("admin")
    assert admin is not None
    assert (line.object_id, line.person, line.at_ms) == (admin.id, None, AT_MS)
    assert line.details == {"sessions_ended": 0, "by": "linli-hub users reset-password"}


def test_nobody_of_that_name_and_somebody_who_left_get_none(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="users list"):
        desk.reset("nobody")
    with desk.running.begin() as unit:
        admin = unit.people.named("admin")
        assert admin is not None
        left = replace(admin, id=new_ulid(), username="left", roles=())
        unit.people.add(left)
        retire_person(unit.people, left, at_ms=AT_MS)
    with pytest.raises(ConflictError, match="retired"):
        desk.reset("left")


@pytest.mark.parametrize("password", ["short", "x" * 257, "two\x00parts"])
def test_a_password_that_rest_would_refuse_is_refused(password: str) -> None:
    with pytest.raises(InvalidError, match="password"):
        check_password(password)
