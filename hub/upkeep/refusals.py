"""Quarantined items decided from the command line: by the running hub where one runs, else on its stores.

The running hub holds its lanes' acknowledgements and telemetry file, so it decides there itself, asked over REST.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

import httpx2

from hub.access.account import Account
from hub.access.roles import Action
from hub.access.service import token_secret
from hub.access.tokens import Claims, Tokens, password_mark
from hub.clock import WallClock
from hub.errors import ConflictError, ForbiddenError, HubError, InvalidError, NotFoundError
from hub.ids import draw, new_hex
from hub.ingest.directory import Directory
from hub.ingest.presenter import present_quarantined
from hub.ingest.release import Decision, discard, release
from hub.ingest.renewal import Renewal
from hub.settings import Settings
from hub.storage import data_dir
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.ports import TelemetryStore
from hub.upkeep.doctor.process import holder, local_url

ANSWER_WITHIN_S: Final = 30.0
LONGEST: Final = 4_000
"""Characters of a comment, as REST has it."""


class Step(StrEnum):
    """What becomes of an item."""

    RELEASE = "release"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One decision: about what, by whom, why; raises InvalidError for a comment that REST would refuse."""

    step: Step
    quarantine_id: str
    username: str
    comment: str

    def __post_init__(self) -> None:
        if len(self.comment) > LONGEST or "\x00" in self.comment:
            raise InvalidError(("comment", f"must have at most {LONGEST} characters and no NUL"))


def decide(settings: Settings, transactions: SqlTransactions, verdict: Verdict, *, at_ms: int) -> dict[str, Any]:
    """Decide on an item and return it as REST shows it.

    `at_ms` is the hub's time. Raises NotFoundError, ForbiddenError, ConflictError naming why it cannot be released.
    """
    with transactions.read() as unit:
        account = unit.access.named(verdict.username)
    if account is None or not account.active:
        message = f"there is no user {verdict.username!r} who may sign in; --as names who decides"
        raise NotFoundError(message)
    if holder(settings.data_dir) is not None:
        return _ask_the_hub(settings, transactions, account, verdict)
    with data_dir.hold(settings.data_dir), _telemetry(settings) as telemetry:
        return _decide_here(transactions, telemetry, account, verdict, at_ms=at_ms)


def _decide_here(
    transactions: SqlTransactions, telemetry: TelemetryStore, account: Account, verdict: Verdict, *, at_ms: int
) -> dict[str, Any]:
    directory = Renewal(Directory(), transactions, now_ms=lambda: at_ms).renew()
    decision = Decision(account.id, at_ms, verdict.comment)
    with transactions.begin(at_ms=at_ms) as unit:
        site = unit.quarantine.get(verdict.quarantine_id).refused.site
        if not account.rights.may(Action.DECIDE_QUARANTINE, site):
            message = f"{account.username} may not decide on what was refused at {site}"
            raise ForbiddenError(message)
        if verdict.step is Step.RELEASE:
            item = release(unit, telemetry, directory, verdict.quarantine_id, decision)
        else:
            item = discard(unit, verdict.quarantine_id, decision)
        action = f"POST /quarantine/{{quarantine_id}}/{verdict.step}"
        unit.audit.add(action, item.id, person=account.id, site=site, at_ms=at_ms, details={"by": "linli-hub"})
    return present_quarantined(item)


def _ask_the_hub(
    settings: Settings, transactions: SqlTransactions, account: Account, verdict: Verdict
) -> dict[str, Any]:
    url = local_url(settings)
    if url is None:
        message = "LINLI_HTTP_PORT=0 hides where the running hub answers: decide by REST or stop it first"
        raise ConflictError(message)
    with transactions.begin() as unit:
        tokens = Tokens(token_secret(unit.meta, new_hex=lambda n_bytes: new_hex(n_bytes=n_bytes)))
    claims = Claims(account.id, password_mark(account.password_hash))
    try:
        answer = httpx2.post(
            f"{url}/api/v1/quarantine/{verdict.quarantine_id}/{verdict.step}",
            json={"comment": verdict.comment},
            headers={"Authorization": f"Bearer {tokens.issue(claims, at_s=WallClock().now_ms() // 1000)}"},
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
        )
        body = cast("dict[str, Any]", answer.json())
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        message = f"the running hub does not answer at {url}: {error or type(error).__name__}; see linli-hub doctor"
        raise HubError(message) from None
    if answer.status_code != 200:
        raise ConflictError(str(body.get("detail") or body.get("title") or answer.status_code))
    return body


@contextmanager
def _telemetry(settings: Settings) -> Generator[TelemetryStore]:
    path = settings.data_dir / "telemetry.db"
    if settings.influx_url is None:
        store: TelemetryStore = SqliteTelemetryStore.open(path)
    else:
        from hub.storage.influx import InfluxTelemetryStore
        from hub.storage.influx_writes import InfluxTarget

        # Never started: the record waits in the log, and the hub carries it over at its next start.
        target = InfluxTarget(settings.influx_url, bucket=settings.influx_bucket, org=settings.influx_org)
        store = InfluxTelemetryStore.open(
            path,
            target,
            now_ms=WallClock().now_ms,
            draw=draw,
            on_trouble=lambda _trouble: None,
            on_bad_line=lambda _line, _reason: None,
        )
    try:
        yield store
    finally:
        store.close()
