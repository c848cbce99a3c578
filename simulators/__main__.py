"""`linli-sim` and `python -m simulators`: says what to install where the extra is missing."""

import sys
from importlib.util import find_spec

_NEEDED = ("typer", "aiomqtt", "httpx2")


def main() -> None:
    """Run the command line."""
    if any(find_spec(name) is None for name in _NEEDED):
        print("linli-sim needs its extra: pip install 'linli[sim]'", file=sys.stderr)
        raise SystemExit(2)
    from simulators.cli import app

    app()


if __name__ == "__main__":
    main()
