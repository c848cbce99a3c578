"""`python -m edge` and the console script `linli-edge`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from edge.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
