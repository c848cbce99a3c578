"""A Dockerfile as stages of instructions: as much of its grammar as ours use, and an error for the rest."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FROM = re.compile(r"(?P<image>\S+) AS (?P<name>[a-z][a-z0-9-]*)")
_KNOWN = {"ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    keyword: str
    arguments: str

    def words(self) -> list[str]:
        """The arguments: those of a JSON list, else what blanks part."""
        return json.loads(self.arguments) if self.arguments.startswith("[") else self.arguments.split()


@dataclass(slots=True)
class Stage:
    """What one FROM begins."""

    name: str
    image: str
    parent: "Stage | None"
    instructions: list[Instruction] = field(default_factory=list[Instruction])

    def own(self, keyword: str) -> list[Instruction]:
        """Its own instructions of that kind, in order."""
        return [instruction for instruction in self.instructions if instruction.keyword == keyword]

    def last(self, keyword: str) -> Instruction | None:
        """The one that holds in the end, inherited from the stages it stands on where it has none."""
        own = self.own(keyword)
        if own:
            return own[-1]
        return None if self.parent is None else self.parent.last(keyword)

    def environment(self) -> dict[str, str]:
        """All ENV, inherited ones included."""
        found = {} if self.parent is None else self.parent.environment()
        for instruction in self.own("ENV"):
            found |= dict(pair.split("=", 1) for pair in instruction.words())
        return found


def parse_dockerfile(path: Path) -> dict[str, Stage]:
    """Return the stages by name, in order; ValueError for what this grammar does not know."""
    stages: dict[str, Stage] = {}
    for instruction in _instructions(path.read_text(encoding="utf-8")):
        if instruction.keyword == "FROM":
            found = _FROM.fullmatch(instruction.arguments)
            if found is None:
                raise ValueError(f"{path.name}: FROM {instruction.arguments} names no stage")
            stages[found["name"]] = Stage(found["name"], found["image"], stages.get(found["image"]))
        elif instruction.keyword in _KNOWN and stages:
            list(stages.values())[-1].instructions.append(instruction)
        else:
            raise ValueError(f"{path.name}: {instruction.keyword} has no place here")
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    kept = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = ""
    for line in kept:
        joined += f"{line.removesuffix(chr(92)).strip()} "
        if not line.endswith("\\"):
            keyword, _, arguments = joined.strip().partition(" ")
            yield Instruction(keyword, arguments.strip())
            joined = ""
    if joined:
        raise ValueError("the last instruction does not end")
