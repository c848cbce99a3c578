"""What was found: a verdict, the facts, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands."""

    OK = "OK"
    WARN = "WARN"
    """Work goes on; somebody should look."""
    FAIL = "FAIL"
    """Something that the hub is there for does not work."""
    SKIP = "SKIP"
    """Cannot be looked at here, or has no bearing on these settings."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` is what to do where it is not in order."""

    what: str
    verdict: Verdict
    detail: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """For a person: the finding, and below it what to do."""
        told = [f"{self.verdict:<4} {self.what}: {self.detail}"]
        return [*told, f"     -> {self.remedy}"] if self.remedy else told

    def row(self) -> dict[str, str]:
        """For a program."""
        return {"what": self.what, "verdict": self.verdict.value, "detail": self.detail, "remedy": self.remedy}


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 where all is well, 1 where somebody should look, 2 where something does not work."""
    verdicts = {finding.verdict for finding in findings}
    return 2 if Verdict.FAIL in verdicts else 1 if Verdict.WARN in verdicts else 0
