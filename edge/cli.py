"""`linli-edge`: run the agent, look into its outbox, check what it needs. argparse, because memory is short on a Pi."""

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
    _command(commands, "check", _check, "check configuration, disk, clock, devices and broker")
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
    from edge.app import Configured, check
    from edge.settings import load_settings

    findings = check(Configured(load_settings(options.config), options.config))
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'FAIL'} {finding.what}: {finding.detail}")
    return OK if all(finding.fine for finding in findings) else FAILED


def _complain(line: str) -> None:
    print(line, file=sys.stderr)
