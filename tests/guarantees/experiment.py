"""One experiment in a process of its own: `tests.guarantees.experiment MODULE SEED full|short|control FILE`."""

import importlib
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.guarantees.guarantee import Guarantee


def main(module: str, seed: int, kind: str, answer: Path) -> None:
    """Run it, and write what it came to as JSON; an error leaves no answer and its traceback on stderr."""
    logging.getLogger().addHandler(logging.NullHandler())  # what its parts log is not an experiment's answer
    found: Guarantee = importlib.import_module(module).GUARANTEE
    outcome: Any = found.control(seed) if kind == "control" else found.run(seed, full=kind == "full")
    answer.write_text(json.dumps(asdict(outcome), default=str))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
