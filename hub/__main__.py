"""`linli-hub` and `python -m hub`: says what to install where the extra is missing."""

import sys
from importlib.util import find_spec

from hub import interpreter

_NEEDED = ("typer", "fastapi", "sqlalchemy", "paho")


def main() -> None:
    """Run the command line."""
    if any(find_spec(name) is None for name in _NEEDED):
        print("linli-hub needs its extra: pip install 'linli[hub]'", file=sys.stderr)
        raise SystemExit(2)
    if sys.argv[1:2] == ["serve"]:
        interpreter.start_without_thread_caches()
    from hub.cli import run

    run()


if __name__ == "__main__":
    main()
