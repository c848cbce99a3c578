"""A clock that tests move by hand."""

import pytest


class HandClock:
    """Monotonic seconds that go on only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        """The time the test has set."""
        return self.now_s


@pytest.fixture
def clock() -> HandClock:
    """A clock at 1000 s."""
    return HandClock()
