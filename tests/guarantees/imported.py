"""A pytest plugin: says whether the packages under test came from the copy that it was told of.

`LINLI_COPY` names the folder of the copy, `LINLI_MUTATED` the file in it that must have been imported. A run that tried
something else ends as an internal error and proves nothing.
"""

import os
import sys
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = ("edge", "hub", "protocols")


def imported_from_elsewhere(copy: Path, mutated: str) -> list[str]:
    """Return what was imported of the packages from outside the copy, and the mutated file where it was not at all."""
    files = [
        Path(file)
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in PACKAGES and (file := getattr(module, "__file__", None)) is not None
    ]
    outside = [str(file) for file in files if not file.is_relative_to(copy)]
    return outside or ([] if copy / mutated in files else [f"{mutated} was never imported"])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look where the code came from, once the tests have imported it."""
    wrong = imported_from_elsewhere(Path(os.environ["LINLI_COPY"]), os.environ["LINLI_MUTATED"])
    if wrong:
        sys.stderr.write(f"from elsewhere: {', '.join(wrong[:3])}\n")
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
