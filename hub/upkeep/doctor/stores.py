"""The stores: state database, telemetry on this machine, InfluxDB. Only read, and never waited for long."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from hub.errors import HubError, StorageError
from hub.settings import Settings
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import file_of, look_at_schema, look_for_damage, shown
from hub.upkeep.doctor.finding import Finding, Verdict

ANSWER_WITHIN_S: Final = 5.0
LONG_WAIT_MS: Final = 5 * 60_000
"""Points that wait longer than this for InfluxDB are no hiccup."""
TOLERATED_S: Final = 2.0
"""A clock this near another's is right; HTTP's dates are whole seconds."""
_STATE: Final = "state database"
_TELEMETRY: Final = "telemetry store"
_INFLUX: Final = "InfluxDB"
_RESTORE: Final = (
    "stop the hub, linli-hub restore --force the newest backup (docs/deployment.md); it keeps the old file"
)


def check_state(settings: Settings) -> list[Finding]:
    """Open the state database, compare its schema with this release's, and read it through where it is SQLite."""
    url = settings.state_url
    path = file_of(url)
    if path is not None and not path.exists():
        return [Finding(_STATE, Verdict.WARN, f"{path} is not there yet", "linli-hub serve makes it at its start")]
    try:
        engine = open_engine(url)
    except HubError as error:
        return [Finding(_STATE, Verdict.FAIL, str(error), "linli-hub config check")]
    try:
        current, wanted = look_at_schema(engine)
        found = [judge_schema(shown(url), current=current, wanted=wanted)]
        return found if path is None else [*found, judge_damage(look_for_damage(engine))]
    except StorageError as error:
        remedy = _RESTORE if path else "is PostgreSQL running, and LINLI_DATABASE_URL right? See its log"
        return [Finding(_STATE, Verdict.FAIL, f"{shown(url)}: {error}", remedy)]
    finally:
        engine.dispose()


def judge_schema(shown: str, *, current: str | None, wanted: str | None) -> Finding:
    """Compare the revisions of database and release."""
    if current == wanted:
        return Finding(_STATE, Verdict.OK, f"{shown}: revision {current}, as this release wants")
    if current is None:
        return Finding(_STATE, Verdict.WARN, f"{shown}: empty", "linli-hub migrate, or linli-hub serve")
    if wanted is not None and current > wanted:
        remedy = "run the release that made it, or restore the backup from before its upgrade"
        return Finding(_STATE, Verdict.FAIL, f"{shown}: revision {current} is of a newer release", remedy)
    detail = f"{shown}: revision {current}, this release wants {wanted}"
    return Finding(_STATE, Verdict.FAIL, detail, "back up, then linli-hub migrate (linli-hub serve does it too)")


def check_telemetry(settings: Settings, *, now_ms: Callable[[], int]) -> list[Finding]:
    """Read the telemetry file through; with InfluxDB it holds what waits for it."""
    path = settings.data_dir / "telemetry.db"
    if not path.exists():
        return [Finding(_TELEMETRY, Verdict.WARN, f"{path} is not there yet", "linli-hub serve makes it at its start")]
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if said != "ok":
                return [Finding(_TELEMETRY, Verdict.FAIL, f"{path} is damaged: {said}", _RESTORE)]
            found = [Finding(_TELEMETRY, Verdict.OK, f"{path}: read through, sound")]
            if settings.influx_url is not None:
                rows, oldest_ms = connection.execute("SELECT count(*), min(committed_ms) FROM influx_log").fetchone()
                found.append(judge_backlog(rows, oldest_ms, at_ms=now_ms()))
            return found
    except sqlite3.Error as error:
        return [Finding(_TELEMETRY, Verdict.FAIL, f"{path}: {error}", _RESTORE)]


def judge_backlog(rows: int, oldest_ms: int | None, *, at_ms: int) -> Finding:
    """Judge what waits to be carried to InfluxDB: none of it is lost, but none of it can be read."""
    what = "influx backlog"
    if not rows or oldest_ms is None:
        return Finding(what, Verdict.OK, "nothing waits")
    waited_s = max(0, at_ms - oldest_ms) // 1000
    detail = f"{rows} batches wait, the oldest for {waited_s} s"
    if waited_s * 1000 <= LONG_WAIT_MS:
        return Finding(what, Verdict.OK, detail)
    remedy = "see the line InfluxDB, and whether the hub runs; they are carried over as soon as both do"
    return Finding(what, Verdict.WARN, detail, remedy)


def check_influx(settings: Settings, *, now_ms: Callable[[], int]) -> list[Finding]:
    """Ask InfluxDB for its databases; its Date tells how far the clocks are apart."""
    if settings.influx_url is None:
        return [Finding(_INFLUX, Verdict.SKIP, "LINLI_INFLUX_URL is not set: telemetry is kept on this machine")]
    token = ":" if settings.influx_token is None else settings.influx_token.get_secret_value()
    url, database = settings.influx_url.rstrip("/"), settings.influx_bucket.partition("/")[0]
    try:
        answer = httpx2.get(
            f"{url}/query",
            params={"q": "SHOW DATABASES"},
            headers={"Authorization": f"Token {token}"},
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        detail = f"{url} does not answer: {str(error) or type(error).__name__}"
        remedy = "start it, or correct LINLI_INFLUX_URL; readings wait in the telemetry store meanwhile"
        return [Finding(_INFLUX, Verdict.FAIL, detail, remedy)]
    found = [judge_databases(url, database, status=answer.status_code, body=answer.text)]
    skew = judge_date(answer.headers.get("Date"), at_ms=now_ms())
    return found if skew is None else [*found, skew]


def judge_databases(url: str, database: str, *, status: int, body: str) -> Finding:
    """Judge the answer to SHOW DATABASES."""
    if status in (401, 403):
        remedy = "correct LINLI_INFLUX_TOKEN: a token (2.x, 3.x) or user:password (1.8) that may read and write"
        return Finding(_INFLUX, Verdict.FAIL, f"{url} refuses the token ({status})", remedy)
    if status != 200:
        return Finding(_INFLUX, Verdict.FAIL, f"{url} answers {status}: {body.strip()[:120]}", "its log says more")
    try:
        answer: Any = httpx2.Response(200, text=body).json()
        series = answer["results"][0].get("series", [])
        names = {row[0] for part in series for row in part.get("values", [])}
    except (ValueError, LookupError, TypeError, AttributeError):
        return Finding(_INFLUX, Verdict.FAIL, f"{url} is no InfluxDB: {body.strip()[:80]}", "correct LINLI_INFLUX_URL")
    if database in names:
        return Finding(_INFLUX, Verdict.OK, f"{url}: database {database!r} exists")
    remedy = f"make it: influx bucket create (2.x), CREATE DATABASE {database} (1.8), or correct LINLI_INFLUX_BUCKET"
    return Finding(_INFLUX, Verdict.FAIL, f"{url} has no database {database!r}", remedy)


def judge_date(date: str | None, *, at_ms: int) -> Finding | None:
    """Compare our clock with the Date of an answer; None where it has none."""
    try:
        theirs_s = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    apart_s = at_ms / 1000 - theirs_s
    detail = f"{abs(apart_s):.0f} s {'ahead of' if apart_s > 0 else 'behind'} InfluxDB's"
    if abs(apart_s) <= TOLERATED_S:
        return Finding("clock beside InfluxDB", Verdict.OK, "as InfluxDB's")
    remedy = "set both by a time service (timedatectl set-ntp true): graphs and alerts are apart by as much"
    return Finding("clock beside InfluxDB", Verdict.WARN, detail, remedy)


def judge_damage(damage: str | None) -> Finding:
    """Judge what reading the state database through has found."""
    if damage is None:
        return Finding("state integrity", Verdict.OK, "read through, sound")
    return Finding("state integrity", Verdict.FAIL, f"damaged: {damage}", _RESTORE)
