"""The command line of the simulators: a fleet, a replay, the demo."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from protocols.instant import format_instant
from protocols.slug import SHORT_SLUG_LENGTH, is_slug
from simulators.clock import now
from simulators.conservation import Conservation
from simulators.errors import BadInput, SimulatorError
from simulators.network import Network
from simulators.timeline import USUAL_START, HubClock, Timeline
from simulators.uplink import MEMORY

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
T = TypeVar("T")

HubOption = Annotated[str, typer.Option("--hub", help="Address of the hub, such as http://127.0.0.1:8080")]
TokenOption = Annotated[str, typer.Option("--token", help="A token that may register things", envvar="LINLI_TOKEN")]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", help="mqtt://host:port, where the hub's word is not right")
]


@app.callback(invoke_without_command=True)
def linli_sim(
    *, show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False
) -> None:
    """Simulated communities for Linli: they register by REST and speak the wire contract."""
    if show_version:
        print(f"linli-sim {version('linli')}")
        raise typer.Exit


@app.command()
def fleet(
    *,
    hub: HubOption,
    token: TokenOption,
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes")] = 10,
    seed: Annotated[int, typer.Option(help="Draws the community and all that happens in it")] = 7,
    speed: Annotated[float, typer.Option(help="How many times faster than life the world turns")] = 1.0,
    truth: Annotated[Path | None, typer.Option(help="File for what really happened, as JSON lines")] = None,
    site: Annotated[str, typer.Option(help="The site; made where it does not exist")] = "demo",
    duration: Annotated[float | None, typer.Option(help="Real seconds to play; without it until Ctrl-C")] = None,
    clock: Annotated[HubClock, typer.Option(help="What the hub's LINLI_CLOCK lives by")] = HubClock.WALL,
    start: Annotated[
        datetime | None, typer.Option(help="Date and hour in the story at its start, UTC; a Monday at 6 in China")
    ] = None,
    loss: Annotated[float, typer.Option(help="Share of messages that are lost")] = 0.0,
    duplicates: Annotated[float, typer.Option(help="Share of messages that arrive twice")] = 0.0,
    delay: Annotated[float, typer.Option(help="Seconds a message may be delayed")] = 0.0,
    outage: Annotated[list[str] | None, typer.Option(help="FROM:UNTIL in real seconds, when nothing arrives")] = None,
    memory: Annotated[int, typer.Option(min=1, help="Readings a node holds for an absent hub")] = MEMORY,
    broker: BrokerOption = None,
) -> None:
    """Play a community of many nodes, and check that the hub kept all of it."""
    from simulators.session import FleetPlan, FleetReport, run_fleet

    def plan() -> FleetPlan:
        _check_site(site)
        timeline = _timeline(start, speed=speed, clock=clock)
        return FleetPlan(
            site=site,
            nodes=nodes,
            seed=seed,
            timeline=timeline,
            until_s=float("inf") if duration is None else timeline.after_s(duration),
            network=_network(loss=loss, duplicates=duplicates, delay_s=delay, outages=outage or []),
            memory=memory,
            truth=truth,
            broker_url=broker,
        )

    planned = _or_exit(plan)

    def tell_start(began: datetime) -> None:
        print(f"START {format_instant(began)} SPEED {speed:g}", flush=True)

    async def play(stop: asyncio.Event) -> FleetReport:
        from simulators.rest import HubClient

        async with HubClient(hub, token=token) as client:
            return await run_fleet(client, planned, stop=stop, on_start=tell_start)

    report = _run(play)
    print(f"RECORDS {report.records} SENT-AGAIN {report.sent_again}")
    _conclude(report.conservation)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="CSV files: Time,p (UTC, percent) or after_s,fill_percent")],
    *,
    hub: HubOption,
    token: TokenOption,
    site: Annotated[str, typer.Option(help="The site; made where it does not exist")],
    speed: Annotated[float, typer.Option(min=0, help="Times faster than recorded; 0: as fast as acknowledged")] = 0.0,
    broker: BrokerOption = None,
) -> None:
    """Play recorded fill levels through the wire; for a hub that lives by LINLI_CLOCK=messages."""
    from simulators.samples import read_series

    _or_exit(lambda: _check_site(site))
    began = now()
    series = _or_exit(lambda: [read_series(path, start=began) for path in files])

    from simulators.replay import ReplayReport
    from simulators.replay import replay as play_recorded

    async def play(stop: asyncio.Event) -> ReplayReport:
        from simulators.rest import HubClient

        samples = sum(len(one.samples) for one in series)
        async with HubClient(hub, token=token) as client:
            with _progress(f"{len(series)} containers", samples) as on_sent:
                return await play_recorded(
                    client, series, site=site, speed=speed, broker_url=broker, stop=stop, on_sent=on_sent
                )

    report = _run(play)
    if report.node_offline_after_s is not None:
        print(
            f"# new site {site}: nodeOffline after_s {report.node_offline_after_s:g}, so that its silences are no fault"
        )
    rate = report.samples / report.took_s if report.took_s else 0.0
    print(f"CONTAINERS {len(series)} SAMPLES {report.samples} SECONDS {report.took_s:.1f} PER-SECOND {rate:.0f}")
    _conclude(report.conservation)


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the story: exit 0 when it was told, else 1")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data directory")] = False,
    port: Annotated[int | None, typer.Option(help="HTTP port; without it 8080 if free, else a free one")] = None,
    embedded_broker: Annotated[bool, typer.Option("--embedded-broker", help="Do without mosquitto")] = False,
) -> None:
    """Run broker, hub and a simulated community on loopback, and tell the story of how things get fixed."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("fastapi", "sqlalchemy", "uvicorn")):
        _fail("linli-sim demo runs a hub: pip install 'linli[demo]'", code=2)
    from simulators.demo.run import run_demo

    raise typer.Exit(run_demo(once=once, keep=keep, port=port, embedded_broker=embedded_broker))


@contextmanager
def _progress(what: str, total: int) -> Generator[Callable[[int], None]]:
    """Show on stderr how far a command is, in a terminal only; what it yields hears of how much more is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


def _run(play: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run to the end; Ctrl-C and SIGTERM set the event."""

    async def until_signalled() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await play(stop)

    return _or_exit(lambda: asyncio.run(until_signalled()))


def _or_exit(action: Callable[[], T]) -> T:
    """Return what the action returns; say in one line why it cannot, exit 2 for bad input and 1 for the rest."""
    try:
        return action()
    except BadInput as error:
        _fail(str(error), code=2)
    except SimulatorError as error:
        _fail(str(error), code=1)
    except OSError as error:
        _fail(str(error), code=1)
    except BaseExceptionGroup as errors:
        ours, others = errors.split((SimulatorError, OSError))
        if ours is None or others is not None:
            raise
        _fail(_innermost(ours), code=1)


def _innermost(errors: BaseExceptionGroup[SimulatorError | OSError]) -> str:
    """Return what the first of the errors says, however deep the task groups have wrapped it."""
    first = errors.exceptions[0]
    return _innermost(first) if isinstance(first, BaseExceptionGroup) else str(first)


def _fail(message: str, *, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)


def _conclude(conservation: Conservation) -> None:
    print(conservation)
    if not conservation.holds:
        raise typer.Exit(1)


def _check_site(site: str) -> None:
    if not is_slug(site, longest=SHORT_SLUG_LENGTH):
        raise BadInput(f"--site: {site!r} is no slug of at most {SHORT_SLUG_LENGTH} characters")


def _timeline(start: datetime | None, *, speed: float, clock: HubClock) -> Timeline:
    """Return a story whose calendar knows nothing of today, so that a seed always tells the same one."""
    calendar = USUAL_START if start is None else start.replace(tzinfo=UTC)
    clocks_begin = calendar if start is not None and clock is HubClock.MESSAGES else now()
    try:
        return Timeline(clocks_begin, speed, clock, calendar)
    except ValueError as error:
        raise BadInput(f"--speed: {error}") from error


def _network(*, loss: float, duplicates: float, delay_s: float, outages: list[str]) -> Network:
    try:
        spans = tuple(_span(text) for text in outages)
        return Network(loss_rate=loss, duplicate_rate=duplicates, delay_s=(0.0, delay_s), outages_s=spans)
    except ValueError as error:
        raise BadInput(f"network: {error}") from error


def _span(text: str) -> tuple[float, float]:
    begin, _, end = text.partition(":")
    return float(begin), float(end)
