"""Cuts the power of a recorded run at random instants and judges what is found afterwards."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any, Final, Protocol

from tests.chaos.power_cut.disk import Disk, Operation, Survival
from tests.chaos.power_cut.recorder import Recorder

State = tuple[str, ...]
"""A digest of each store, in the order in which a step commits them."""
_TWICE_EVERY: Final = 4
"""Every so many cuts the power fails again, while the first one is being recovered from."""


class UnusableError(Exception):
    """A store that cannot be opened, or is damaged, or says that it was."""


class Subject(Protocol):
    """Real code that stores something; what a step has returned from is promised."""

    def open(self, folder: Path) -> None:
        """Open or make the stores; raises UnusableError where they are found damaged."""
        ...

    def step(self, random: Random) -> None: ...
    def state(self) -> State: ...
    def close(self) -> None: ...


class Finding(StrEnum):
    """What was found after a cut."""

    KEPT = "kept"
    LOST = "lost"
    """A promised step is gone."""
    HALF = "half"
    """A state that never was."""
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Recording:
    """A run: every operation on the disk, and after how many of them each step was promised."""

    operations: Sequence[Operation]
    promised_at: Sequence[int]
    states: Sequence[State]


@dataclass(slots=True)
class Figures:
    """Counts over cuts."""

    cuts: int = 0
    second_cuts: int = 0
    findings: Counter[Finding] = field(default_factory=Counter[Finding])
    most_steps_lost: int = 0
    first_fault: str | None = None

    def add(self, finding: Finding, *, lost: int, where: str) -> None:
        """Count a finding."""
        self.findings[finding] += 1
        self.most_steps_lost = max(self.most_steps_lost, lost)
        if finding is not Finding.KEPT and self.first_fault is None:
            self.first_fault = where

    def join(self, other: "Figures") -> None:
        """Add those of another run."""
        self.cuts += other.cuts
        self.second_cuts += other.second_cuts
        self.findings += other.findings
        self.most_steps_lost = max(self.most_steps_lost, other.most_steps_lost)
        self.first_fault = self.first_fault or other.first_fault

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON holds them."""
        return {
            "cuts": self.cuts,
            "second_cuts": self.second_cuts,
            "kept": self.findings[Finding.KEPT],
            "lost": self.findings[Finding.LOST],
            "half": self.findings[Finding.HALF],
            "unusable": self.findings[Finding.UNUSABLE],
            "most_steps_lost_at_once": self.most_steps_lost,
            "first_fault": self.first_fault,
        }


def record(subject: Subject, recorder: Recorder, folder: Path, *, steps: int, random: Random) -> Recording:
    """Let the subject work in an empty folder; step 0 is its opening."""
    recorder.begin(folder)
    subject.open(folder)
    promised_at, states = [recorder.now], [subject.state()]
    for _ in range(steps):
        subject.step(random)
        promised_at.append(recorder.now)
        states.append(subject.state())
    operations = recorder.operations
    subject.close()
    return Recording(operations[: promised_at[-1]], promised_at, states)


def cut(
    subject: Subject, recorder: Recorder, folder: Path, recording: Recording, *, cuts: int, random: Random
) -> Figures:
    """Cut the power `cuts` times; each time open what is left and compare it with what was promised until then."""
    figures = Figures()
    disk, done = Disk(), 0
    for number, at in enumerate(sorted(random.randrange(len(recording.operations)) for _ in range(cuts))):
        for operation in recording.operations[done:at]:
            disk.apply(operation)
        done = at
        survival = random.choice(list(Survival))
        files = disk.after_cut(survival, random)
        figures.cuts += 1
        where = f"operation {at}, {survival} of what was not synced"
        if number % _TWICE_EVERY == 0:
            files = _cut_again(subject, recorder, folder, files, random)
            figures.cuts += 1
            figures.second_cuts += 1
            where += ", and again while recovering"
        promised = bisect_right(recording.promised_at, at) - 1
        _lay_out(folder, files)
        recorder.begin(folder)
        finding, lost = _judge(subject, folder, recording, promised)
        figures.add(finding, lost=lost, where=where)
    return figures


def _cut_again(
    subject: Subject, recorder: Recorder, folder: Path, files: dict[str, bytes], random: Random
) -> dict[str, bytes]:
    _lay_out(folder, files)
    recorder.begin(folder)
    try:
        subject.open(folder)
    except UnusableError:
        return files
    subject.close()
    operations = recorder.operations
    disk = Disk(durable=dict(files))
    for operation in operations[: random.randrange(len(operations) + 1)]:
        disk.apply(operation)
    return disk.after_cut(random.choice(list(Survival)), random)


def _judge(subject: Subject, folder: Path, recording: Recording, promised: int) -> tuple[Finding, int]:
    """Return what is found, and how many promised steps are gone."""
    try:
        subject.open(folder)
    except UnusableError:
        return Finding.UNUSABLE, max(0, promised)
    try:
        found = subject.state()
    except UnusableError:
        return Finding.UNUSABLE, max(0, promised)
    finally:
        subject.close()
    if promised < 0:
        return Finding.KEPT, 0  # it was not even open: that it opens now is all there is to ask
    spans = [_span(recording, part, digest, promised + 1) for part, digest in enumerate(found)]
    reached = [span for span in spans if span is not None]
    if len(reached) < len(spans):
        return Finding.HALF, 0
    newest = min(span.stop - 1 for span in reached)
    if newest < promised:
        return Finding.LOST, promised - newest
    in_order = all(later.start < earlier.stop for earlier, later in pairwise(reached))
    return (Finding.KEPT if in_order else Finding.HALF), 0


def _span(recording: Recording, part: int, digest: str, through: int) -> range | None:
    """Return the newest run of steps up to `through` after which the store looked like this."""
    states = [state[part] for state in recording.states[: through + 1]]
    while states and states[-1] != digest:
        states.pop()
    newest = len(states)
    while states and states[-1] == digest:
        states.pop()
    return range(len(states), newest) if newest else None


def _lay_out(folder: Path, files: dict[str, bytes]) -> None:
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
