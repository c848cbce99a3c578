"""The real edge or hub with one fault put in: `python -m tests.chaos.mutants MUTANT edge|hub ARGUMENT …`."""

import importlib
import sys

from tests.chaos.mutants.faults import FAULTS

if __name__ == "__main__":
    name, program, *arguments = sys.argv[1:]
    FAULTS[name]()
    sys.argv = [f"linli-{program}", *arguments]
    sys.exit(importlib.import_module(f"{program}.__main__").main())
