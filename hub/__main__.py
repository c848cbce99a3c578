"""`linli-hub` and `python -m hub`: says what to install where the extra is missing."""

import sys
from importlib.util import find_spec

_NEEDED = ("typer", "fastapi", "sqlalchemy", "paho")


def main() -> None:
    """Run the command line."""
    if any(find_spec(name) is None for name in _NEEDED):
        print("linli-hub needs its extra: pip install 'linli[hub]'", file=sys.stderr)
        raise SystemExit(2)
    from hub.cli import run

    run()


if __name__ == "__main__":
    main()
