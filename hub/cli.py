"""The command line of the hub.

Exit codes: 0 stopped by a signal or done, 1 run-time failure, 2 usage or configuration.
"""

import faulthandler
import json
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hub import interpreter
from hub.clock import monotonic_s
from hub.errors import ConfigurationError, HubError, InvalidError
from hub.logs import set_up_logs
from hub.settings import Settings, load_settings, load_watchdog_settings, masked
from hub.upkeep.commands import commands as worst_day

if TYPE_CHECKING:
    from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit

MemberT = TypeVar("MemberT", bound=StrEnum)


class FileFormat(StrEnum):
    """What facilities are exported as."""

    CSV = "csv"
    GEOJSON = "geojson"


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Linli's hub: stores telemetry, raises alerts, gets things fixed.",
)
users = typer.Typer(no_args_is_help=True, help="People who may sign in.")
alerts = typer.Typer(no_args_is_help=True, help="Alerts.")
work_orders = typer.Typer(no_args_is_help=True, help="Work orders.")
facilities = typer.Typer(no_args_is_help=True, help="Facilities with their devices and nodes, as files.")
quarantine = typer.Typer(no_args_is_help=True, help="What was refused, with its reason.")
config = typer.Typer(no_args_is_help=True, help="Settings.")
for name, group in (
    ("users", users),
    ("alerts", alerts),
    ("work-orders", work_orders),
    ("facilities", facilities),
    ("quarantine", quarantine),
    ("config", config),
):
    app.add_typer(group, name=name)
app.add_typer(worst_day)

LOOK_FOR_SIGNAL_S: Final = 1.0
"""A signal that the kernel hands to another thread wakes nobody: its handler runs when the main thread looks."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SiteOption = Annotated[str | None, typer.Option("--site", help="Only this site.")]
StateOption = Annotated[str | None, typer.Option("--state", help="Only in this state.")]
CommentOption = Annotated[str, typer.Option("--comment", help="Why; kept with the item.")]
DeciderOption = Annotated[str, typer.Option("--as", help="User name of who decides.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="At most so many.")]


def run() -> None:
    """Run the command line; every expected error is one line on stderr."""
    try:
        app()
    except (InvalidError, ConfigurationError) as error:
        _fail(error, code=2)
    except HubError as error:
        _fail(error, code=1)


@app.callback(invoke_without_command=True)
def main(
    *, show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False
) -> None:
    """Linli's hub."""
    if show_version:
        print(f"linli-hub {version('linli')}")
        raise typer.Exit


@app.command()
def serve(*, verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False) -> None:
    """Run the hub until a signal stops it."""
    settings = load_settings()
    set_up_logs(verbose=verbose)
    interpreter.prepare()
    from hub.app import Hub
    from hub.systemd import ServiceManager

    manager = ServiceManager()
    stopping = threading.Event()
    serving = False

    def stop(_number: int, _frame: object) -> None:
        at_the_start = not serving and not stopping.is_set()
        stopping.set()
        if at_the_start:  # whatever it waits for, a broker for instance, it waits no longer
            raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    faulthandler.enable()  # a service manager ends a hub that hangs by SIGABRT: where it hung is said then
    hub = Hub(settings)
    try:
        hub.start()
        serving = True
        interpreter.settle()
        if hub.admin_password is not None:
            print(f"ADMIN admin {hub.admin_password}", flush=True)
        print(f"SERVING {hub.http_url}", flush=True)
        manager.ready()
        tidies_s = monotonic_s() + interpreter.TIDY_EVERY_S
        while not stopping.wait(LOOK_FOR_SIGNAL_S):
            if hub.moves():
                manager.alive()
            if monotonic_s() >= tidies_s:
                interpreter.tidy()
                tidies_s = monotonic_s() + interpreter.TIDY_EVERY_S
        manager.stopping()
    finally:
        hub.stop()


@app.command()
def watchdog(
    *,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to all who are told, and stop.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Watch the hub and the way of an SOS through it from outside, and tell people when they are silent."""
    settings = load_watchdog_settings()
    set_up_logs(verbose=verbose)
    from hub.systemd import ServiceManager
    from hub.watchdog.process import Watchdog, send_test

    if test:
        faults = send_test(settings)
        print("\n".join(faults) or "everybody was told", flush=True)
        raise typer.Exit(1 if faults else 0)
    manager = ServiceManager()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    Watchdog(settings).run(stopping, ready=manager.ready, alive=manager.alive)
    manager.stopping()


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the state database to this release's schema."""
    from hub.storage.sql.engine import open_engine
    from hub.storage.sql.migrate import revisions, upgrade

    engine = open_engine(_made(load_settings()).state_url)
    before, _ = revisions(engine)
    with _progress("revisions", quiet=as_json) as on_step:
        upgrade(engine, on_step=on_step)
    after, _ = revisions(engine)
    _print([{"before": before, "after": after}], as_json=as_json)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look at broker, stores, clock, disk and queues, and say what to do.

    Exit code 0: all well, 1: look at the WARN lines, 2: something does not work. Works while the hub runs, is stopped
    or hangs, and changes nothing.
    """
    from hub.upkeep.doctor.doctor import examine
    from hub.upkeep.doctor.finding import exit_code

    with _progress("checks", quiet=as_json) as on_check:
        found = examine(load_settings(), on_check=on_check)
    if as_json:
        print(json.dumps([finding.row() for finding in found], ensure_ascii=False))
    else:
        print("\n".join(line for finding in found for line in finding.lines()))
    raise typer.Exit(exit_code(found))


@users.command("list")
def list_users(site: SiteOption = None, limit: LimitOption = 100, *, as_json: AsJson = False) -> None:
    """List people with their roles."""
    from hub.people.presenter import present_person

    with _reading() as unit:
        found = unit.people.page(sites=None, site=site, role=None, retired=False, before=None, limit=limit)
        _print([present_person(person) for _, person in found], as_json=as_json, columns=_PERSON)


@users.command("reset-password")
def reset_password(
    username: str,
    *,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Take the password from standard input, one line, and print none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a person a new password: a random one, printed once. All their sessions end, whether the hub runs or not."""
    from hub.access.service import new_passwords
    from hub.clock import WallClock
    from hub.ids import new_secret
    from hub.people.service import ADMIN
    from hub.upkeep.passwords import check_password, reset_password

    if username == ADMIN and load_settings().admin_password is not None:
        message = "LINLI_ADMIN_PASSWORD sets this one at every start: change it there and restart the hub"
        raise ConfigurationError(message)
    given = check_password(sys.stdin.readline().rstrip("\r\n")) if from_stdin else None
    password = given or new_secret(n_bytes=12)
    with _transactions() as transactions:
        done = reset_password(transactions, username, password, hasher=new_passwords(), at_ms=WallClock().now_ms())
    row: dict[str, Any] = {"username": done.username, "sessions_ended": done.sessions_ended}
    _print([row if given is not None else {**row, "password": password}], as_json=as_json)


@alerts.command("list")
def list_alerts(
    site: SiteOption = None, state: StateOption = None, limit: LimitOption = 50, *, as_json: AsJson = False
) -> None:
    """List alerts, newest first."""
    from hub.alerts.alert import AlertState
    from hub.alerts.ports import AlertQuery
    from hub.alerts.presenter import present_alert

    query = AlertQuery(
        sites=None if site is None else frozenset({site}),
        state=None if state is None else _one_of(AlertState, state, "--state"),
        limit=limit,
    )
    with _reading() as unit:
        _print([present_alert(alert) for alert in unit.alerts.find(query)], as_json=as_json, columns=_ALERT)


@work_orders.command("list")
def list_work_orders(
    site: SiteOption = None, state: StateOption = None, limit: LimitOption = 50, *, as_json: AsJson = False
) -> None:
    """List work orders, newest first."""
    from hub.workorders.order import OrderState
    from hub.workorders.ports import OrderQuery
    from hub.workorders.presenter import present_order

    query = OrderQuery(
        sites=None if site is None else frozenset({site}),
        state=None if state is None else _one_of(OrderState, state, "--state"),
        limit=limit,
    )
    with _reading() as unit:
        _print([present_order(order) for order in unit.work_orders.find(query)], as_json=as_json, columns=_ORDER)


@quarantine.command("list")
def list_quarantine(
    site: SiteOption = None,
    state: StateOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only this reason.")] = None,
    limit: LimitOption = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List what was refused, newest first."""
    from hub.ingest.presenter import present_quarantined

    with _reading() as unit:
        found = unit.quarantine.page(sites=None, site=site, state=state, reason=reason, limit=limit)
        _print([present_quarantined(item) for item in found], as_json=as_json, columns=_QUARANTINED)


@quarantine.command("release")
def release_quarantined(
    quarantine_id: str, *, comment: CommentOption, username: DeciderOption = "admin", as_json: AsJson = False
) -> None:
    """Admit an item after all, as late and under its own key; says why where it still cannot be used."""
    _decide("release", quarantine_id, comment=comment, username=username, as_json=as_json)


@quarantine.command("discard")
def discard_quarantined(
    quarantine_id: str, *, comment: CommentOption, username: DeciderOption = "admin", as_json: AsJson = False
) -> None:
    """Put an item aside for good; it stays readable and counted."""
    _decide("discard", quarantine_id, comment=comment, username=username, as_json=as_json)


def _decide(step: str, quarantine_id: str, *, comment: str, username: str, as_json: bool) -> None:
    from hub.app import open_clock
    from hub.upkeep.refusals import Step, Verdict, decide

    settings = load_settings()
    verdict = Verdict(step=Step(step), quarantine_id=quarantine_id, username=username, comment=comment)
    with _transactions() as transactions:
        at_ms = open_clock(settings, transactions.engine).now_ms()
        _print([decide(settings, transactions, verdict, at_ms=at_ms)], as_json=as_json, columns=_QUARANTINED)


@facilities.command("import")
def import_facilities(
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 with a header; docs/integrators.md tells its columns.")],
    site: SiteOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the registry to what a CSV file says: the whole file, or, where a row is wrong, nothing of it."""
    from dataclasses import asdict

    from hub.clock import WallClock
    from hub.sheets.importing import Done, import_sheet
    from hub.sheets.reading import read_sheet

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidError((str(file), error.strerror or "cannot be read")) from error
    sheet = read_sheet(content, site=site)
    with _transactions() as transactions, _progress("rows", quiet=as_json) as on_row:
        outcome = import_sheet(transactions, sheet, at_ms=WallClock().now_ms(), dry_run=dry_run, on_row=on_row)
    counts = {done.value: sum(step.done is done for step in outcome.steps) for done in Done}
    if as_json:
        said = {
            "written": not dry_run and not outcome.faults,
            **counts,
            "left_out": sheet.left_out,
            "steps": [asdict(step) for step in outcome.steps],
            "errors": [asdict(fault) for fault in outcome.faults],
        }
        print(json.dumps(said, ensure_ascii=False))
    if outcome.faults:
        raise InvalidError(*((fault.place, fault.reason) for fault in outcome.faults))
    if not as_json:
        done = [asdict(step) | {"fields": ", ".join(step.fields)} for step in outcome.steps]
        done = [step for step in done if step["done"] != Done.UNCHANGED]
        if done:
            _print(done, as_json=False)
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        others = f", {sheet.left_out} rows of other sites left out" if sheet.left_out else ""
        print(f"{told}{others}{'; dry run: nothing was written' if dry_run else ''}")


@facilities.command("export")
def export_facilities(
    site: SiteOption = None,
    form: Annotated[
        FileFormat, typer.Option("--format", help="csv: what import takes; geojson: a map.")
    ] = FileFormat.CSV,
) -> None:
    """Print every facility in service with its devices; a CSV that is imported elsewhere makes the same of them."""
    from hub.sheets.importing import export_facilities as export

    with _reading() as unit:
        exported = export(unit, site=site)
    text = exported.csv() if form is FileFormat.CSV else exported.geojson()
    sys.stdout.buffer.write(text.encode())


@config.command("check")
def check_config(*, as_json: AsJson = False) -> None:
    """Check the settings: one line for every wrong key, exit 2; nothing is opened."""
    settings = load_settings()
    from hub.mqtt.broker_url import BrokerUrl

    BrokerUrl.parse(settings.mqtt_url.get_secret_value())
    _print([{"settings": "good"}], as_json=as_json)


@config.command("show")
def show_config(*, as_json: AsJson = False) -> None:
    """Show the settings as this process would use them; secrets as stars."""
    shown = masked(load_settings())
    if as_json:
        print(json.dumps(shown, ensure_ascii=False))
    else:
        _print([{"setting": name, "value": str(value)} for name, value in shown.items()], as_json=False)


_PERSON = ("id", "username", "display_name", "locale", "roles")
_ALERT = ("id", "site", "facility", "node", "fault_code", "severity", "state", "fired_at", "work_order")
_ORDER = ("id", "site", "facility", "fault_code", "state", "reason", "crew", "response_due_at")
_QUARANTINED = ("id", "received_at", "site", "node", "lane", "seq", "reason", "detail", "count", "state")


def _one_of(kind: type[MemberT], text: str, option: str) -> MemberT:
    try:
        return kind(text)
    except ValueError:
        raise InvalidError((option, f"{text!r} is not one of {', '.join(kind)}")) from None


def _made(settings: Settings) -> Settings:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings


@contextmanager
def _transactions() -> "Generator[SqlTransactions]":
    from hub.clock import WallClock
    from hub.ids import new_ulid
    from hub.reactions import react
    from hub.storage.sql.engine import open_engine
    from hub.storage.sql.migrate import require_current
    from hub.storage.sql.unit_of_work import SqlTransactions

    engine = open_engine(load_settings().state_url)
    try:
        require_current(engine)
        yield SqlTransactions(engine, react=react, now_ms=WallClock().now_ms, new_id=new_ulid)
    finally:
        engine.dispose()


@contextmanager
def _reading() -> "Generator[SqlUnit]":
    with _transactions() as transactions, transactions.read() as unit:
        yield unit


@contextmanager
def _progress(what: str, *, quiet: bool) -> "Generator[Callable[[int, int], None]]":
    """Show on stderr how far a command is, in a terminal only; what it yields hears how much of how much is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=quiet or not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(rows: Iterable[Mapping[str, Any]], *, as_json: bool, columns: tuple[str, ...] | None = None) -> None:
    found = list(rows)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console = Console()
    if not found:
        console.print("none")
        return
    table = Table(show_edge=False)
    names = columns or tuple(found[0])
    for name in names:
        table.add_column(name, overflow="fold")
    for row in found:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in names))
    console.print(table)


def _fail(error: HubError, *, code: int) -> NoReturn:
    pairs = error.errors if isinstance(error, InvalidError) else ()
    lines = [f"{field}: {message}" for field, message in pairs] or [str(error)]
    for line in lines:
        print(line, file=sys.stderr)
    raise SystemExit(code)
