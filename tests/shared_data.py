"""Real data and third-party test vectors, read from LINLI_TEST_DATA (else ../shared/data beside the checkout)."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

ABSENT = "shared data absent"
CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class SharedData:
    """The folder of shared data, which need not exist."""

    root: Path

    @classmethod
    def from_environment(cls) -> "SharedData":
        return cls(Path(os.environ.get("LINLI_TEST_DATA") or CHECKOUT.parent / "shared" / "data"))

    def path(self, name: str) -> Path:
        """Return the file or folder of that name; skip the running test by name where it is absent."""
        found = self.root / name
        if not found.exists():
            pytest.skip(f"{ABSENT}: {name}")
        return found
