"""What a check found: a verdict, the facts, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands; only FAIL keeps the agent from its work."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"
    """Cannot be looked at on this machine, or not now."""


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


def is_fit(findings: Iterable[Finding]) -> bool:
    """Whether nothing keeps the agent from its work."""
    return all(finding.verdict is not Verdict.FAIL for finding in findings)
