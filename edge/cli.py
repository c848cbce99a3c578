"""`linli-edge`: run the agent, and what a Pi's owner does around it. argparse, because memory is short on a Pi."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from edge.errors import EdgeError, InvalidSettings
from edge.logs import set_up

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
PAUSE_S: Final = 1.0
"""Between two rounds of `probe`."""
_EXTRAS: Final = {"paho": ("paho-mqtt", "edge"), "gpiozero": ("gpiozero", "edge"), "lgpio": ("lgpio", "gpio")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 stopped or fine, 1 failed, 2 wrong usage or configuration."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except InvalidSettings as error:
        for line in error.lines():
            _complain(line)
        return MISUSED
    except EdgeError as error:
        _complain(str(error))
        return FAILED
    except ModuleNotFoundError as error:
        found = _EXTRAS.get((error.name or "").partition(".")[0])
        if found is None:
            raise
        library, extra = found
        _complain(f"{library} is not installed; run: pip install 'linli[{extra}]'")
        return MISUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="linli-edge", description="The agent of a Linli node.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="command")
    running = _command(commands, "run", _run, "run the agent until SIGTERM or Ctrl-C")
    running.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    running.add_argument("--log-format", default="auto", choices=["auto", "plain", "json"])
    looking = _command(commands, "outbox", _outbox, "show where the lanes and the calls stand")
    looking.add_argument("--json", action="store_true", help="as JSON")
    checking = _command(
        commands, "check", _check, "check configuration, disk, clock, power, pins, devices, broker, hub"
    )
    checking.add_argument("--json", action="store_true", help="as JSON")
    probing = _command(commands, "probe", _probe, "show what is wired, and live values; sends nothing")
    probing.add_argument("--json", action="store_true", help="read each once, as JSON")
    probing.add_argument("--once", action="store_true", help="read each once, in a terminal too")
    calibrating = _command(commands, "calibrate", _calibrate, "measure a bin's or a lamp's own values, step by step")
    calibrating.add_argument("device", nargs="?", help="the device's slug; needed where there are several")
    installing = _command(commands, "install-service", _install, "put the agent under systemd (needs root)")
    installing.add_argument("--dry-run", action="store_true", help="show the steps and take none")
    installing.add_argument("--remove", action="store_true", help="take the service away; the outbox stays")
    text = "print a completion script for bash"
    commands.add_parser("completion", help=text, description=text).set_defaults(command=_completion)
    return parser


def _command(commands: Any, name: str, command: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--config", type=Path, default=Path("edge.toml"), help="the TOML file (default: edge.toml)")
    parser.set_defaults(command=command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"linli-edge {version('linli')}")
        parser.exit(OK)


def _run(options: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Loading the libraries takes a small machine seconds, in which a stop is as orderly as later.
        signal.signal(number, _leave)
    from edge.settings import load_settings

    settings = load_settings(options.config)
    as_json = options.log_format == "json" or (options.log_format == "auto" and "JOURNAL_STREAM" in os.environ)
    set_up(options.log_level, as_json=as_json)
    from edge.app import Configured, run

    run(Configured(settings, options.config))
    return OK


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 the signature of a handler
    raise SystemExit(OK)


def _outbox(options: argparse.Namespace) -> int:
    from edge.outbox.look import look
    from edge.settings import load_settings

    seen = look(load_settings(options.config).data_dir)
    if options.json:
        print(json.dumps(seen, ensure_ascii=False))
        return OK
    for lane in seen["lanes"]:
        print(f"{lane['lane']:<10} next {lane['next']}  high water {lane['high_water']}  pending {lane['pending']}")
    for call in seen["sos"]:
        heard = f"heard {call['heard_at']} by {call['heard_by']}" if call["heard_at"] else "not heard"
        print(f"{call['ref']}  stored {call['stored_at']}  sent {call['sent_at'] or 'not yet'}  {heard}")
    for output in seen["local_outputs"]:
        state = f"{'on' if output['on'] else 'off'} since {output['since']}"
        print(f"{output['output']}  {state}  {output['when']} of {output['device']}: {output['reason']}")
    return OK


def _check(options: argparse.Namespace) -> int:
    from edge.checks.finding import is_fit
    from edge.owner.check import as_json, check

    findings = check(_configured(options))
    lines = [as_json(findings)] if options.json else [line for finding in findings for line in finding.lines()]
    for line in lines:
        print(line)
    return OK if is_fit(findings) else FAILED


def _probe(options: argparse.Namespace) -> int:
    from edge.clock import Clock
    from edge.owner.probe import close_all, opened, read_all
    from edge.owner.terminal import is_terminal, stop_signals

    configured, clock = _configured(options), Clock()
    devices = opened(configured)
    lines = [device.line for device in devices]
    try:
        with stop_signals() as stopping:
            if is_terminal() and not (options.once or options.json):
                _watch(configured.address.username, lines, clock, lambda: read_all(devices, clock, stopping), stopping)
            else:
                for _ in read_all(devices, clock, stopping):
                    pass
    finally:
        close_all(devices)
    _print_probe(options, lines, clock.monotonic_s())
    return OK if all(line.is_well for line in lines) else FAILED


def _watch(node: str, lines: Any, clock: Any, rounds: Any, stopping: Any) -> None:
    """Read round after round and draw after each device, until the person ends it."""
    from edge.owner.table import table
    from edge.owner.terminal import screen

    with screen(sys.stdout) as page:

        def draw() -> None:
            head = [f"linli-edge probe  {node}  (nothing is sent; Ctrl-C ends)", ""]
            page.draw([line[: page.width] for line in head] + table(lines, at_s=clock.monotonic_s(), width=page.width))

        while not stopping.is_set():
            draw()
            for _ in rounds():
                draw()
            stopping.wait(PAUSE_S)


def _print_probe(options: argparse.Namespace, lines: Any, at_s: float) -> None:
    from edge.owner.table import table

    if options.json:
        print(json.dumps({"devices": [line.as_json() for line in lines]}, ensure_ascii=False))
        return
    for line in table(lines, at_s=at_s):
        print(line)


def _calibrate(options: argparse.Namespace) -> int:
    from edge.clock import Clock
    from edge.owner.calibrate import calibrate
    from edge.owner.terminal import ask

    done = calibrate(_configured(options), options.device, say=print, ask=ask, now=Clock())
    return OK if done else FAILED


def _install(options: argparse.Namespace) -> int:
    from edge.owner.install import installation, steps_to_install, steps_to_remove, take
    from edge.owner.service import UNIT, told

    if options.remove:
        steps, faults, missing = steps_to_remove(), [], ()
    else:
        placement, missing = installation(_configured(options))
        steps, faults = steps_to_install(placement), placement.faults()
    for group in missing:
        _complain(f"note: this system has no group {group}; the drivers that need it may not open")
    for fault in faults:
        _complain(fault)
    if options.dry_run:
        for line in told(steps):
            print(line)
        return FAILED if faults else OK
    if faults:
        return FAILED
    if os.geteuid() != 0:
        _complain("install-service changes the system: run it with sudo, or look first with --dry-run")
        return FAILED
    take(steps, say=print)
    print("removed; user and outbox are still there" if options.remove else f"runs; look with: journalctl -fu {UNIT}")
    return OK


def _completion(_options: argparse.Namespace) -> int:
    from edge.owner.completion import bash_script

    print(bash_script(_parser()), end="")
    return OK


def _configured(options: argparse.Namespace) -> Any:
    from edge.app import Configured
    from edge.settings import load_settings

    return Configured(load_settings(options.config), options.config)


def _complain(line: str) -> None:
    print(line, file=sys.stderr)
