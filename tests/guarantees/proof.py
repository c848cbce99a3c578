"""What the experiments came to: lines for a person, JSON for machines, a table for the page."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

TABLE: Final = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
HEAD: Final = "| | promise | aim | reached | control | command |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Proof:
    """A guarantee with what its run and its control came to; `control` is None where it was left out."""

    name: str
    promise: str
    aim: str
    seed: int
    took_s: float
    run: Mapping[str, Any]
    control: Mapping[str, Any] | None

    @property
    def wrong(self) -> list[str]:
        """What speaks against the guarantee."""
        missed = [f"the control {name} was not caught" for name, caught in self._caught.items() if not caught]
        broken = [] if self.control is None else list(self.control.get("wrong", ()))
        return [*self.run.get("wrong", ()), *missed, *broken]

    @property
    def reached(self) -> str:
        return str(self.run.get("reached", "nothing"))

    @property
    def controls(self) -> str:
        """How many broken builds were caught, of how many."""
        if self.control is None:
            return "not run"
        return f"{sum(self._caught.values())} of {len(self._caught)} caught"

    def lines(self) -> str:
        """The proof for a terminal."""
        verdict = "holds" if not self.wrong else "DOES NOT HOLD"
        head = f"{self.name} {verdict}  seed {self.seed}, {self.took_s:.0f} s\n  {self.promise}\n"
        body = f"  aim      {self.aim}\n  reached  {self.reached}\n  control  {self.controls}"
        if self._caught:
            body += ": " + ", ".join(name if caught else f"{name} (MISSED)" for name, caught in self._caught.items())
        return head + body + "".join(f"\n  wrong    {line}" for line in self.wrong)

    def row(self, commit: str) -> str:
        """The proof as a row of the page's table; `commit` is the code that it was run on."""
        reached = self.reached + ("" if not self.wrong else f" **Not met: {'; '.join(self.wrong)}**")
        command = f"`python -m tests.guarantees {self.name} --seed {self.seed}`, {self.took_s:.0f} s at {commit}"
        cells = (self.name, self.promise, self.aim, reached, self.controls, command)
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    @property
    def _caught(self) -> Mapping[str, bool]:
        return {} if self.control is None else self.control.get("caught", {})


@dataclass(slots=True)
class Proofs:
    """The proofs of one run of the command."""

    at: str
    commit: str
    machine: str
    seed: int
    full: bool
    proofs: list[Proof] = field(default_factory=list[Proof])

    @classmethod
    def now(cls, seed: int, *, full: bool) -> Self:
        """Begin a run on this machine."""
        commit = subprocess.run(("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False)
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(at, commit.stdout.strip() or "unknown", machine, seed, full)

    @property
    def held(self) -> list[Proof]:
        return [proof for proof in self.proofs if not proof.wrong]

    def add(self, proof: Proof) -> None:
        self.proofs.append(proof)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n")

    def put_into(self, page: Path) -> None:
        """Write the page's table anew; rows of guarantees that were not run stay as they are."""
        text = page.read_text()
        found = TABLE.search(text)
        assert found, f"{page} has no place for the table"
        rows = {row.split("|")[1].strip(): f"{row}\n" for row in found[0].splitlines()[2:]}
        rows |= {proof.name: proof.row(self.commit) for proof in self.proofs}
        ordered = sorted(rows, key=lambda name: (name[:1] != "G", int(re.sub(r"\D", "", name) or 0)))
        page.write_text(TABLE.sub(lambda _: HEAD + "".join(rows[name] for name in ordered), text))
