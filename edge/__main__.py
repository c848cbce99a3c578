"""`python -m edge` and the console script `linli-edge`."""

import sys


def main() -> None:
    """Run the command line; a missing library is told in one line."""
    try:
        from edge.cli import main as run
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed; run: pip install 'linli[edge]'", file=sys.stderr)
        sys.exit(2)
    sys.exit(run())


if __name__ == "__main__":
    main()
