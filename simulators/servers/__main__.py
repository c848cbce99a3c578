"""Find, fetch or build the real servers that tests need, once: `python -m simulators.servers`."""

import sys

from simulators.servers.errors import ServerMissing
from simulators.servers.influxd import find_influxd
from simulators.servers.mosquitto import find_mosquitto


def main() -> int:
    """Print where each server is; 1 and the reason when one cannot be had."""
    try:
        print(f"mosquitto  {find_mosquitto().executable}")
        print(f"influxd    {find_influxd()}", flush=True)
    except ServerMissing as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
