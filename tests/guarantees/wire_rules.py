"""Every numbered rule of `wire.md` §3–§5 and §8 with its tests, and a change of the code under which they must fail.

`python -m tests.guarantees.wire_rules` makes each change in a copy of the packages and runs just the tests of its row
on the copy; a change that no test notices is `MISSED`. `--only RULE` takes the rows whose place or sentence holds that
text, `--markdown` prints the table.
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Self

from tests.guarantees.guarantee import Control, Guarantee, Run
from tests.guarantees.imported import PACKAGES
from tests.guarantees.trial import FAILED, OTHER_DATABASES, PASSED, attempt
from tests.guarantees.wire_edge import ROWS as EDGE
from tests.guarantees.wire_hub import ROWS as HUB
from tests.guarantees.wire_rule import ROOT, Mutation, Row
from tests.guarantees.wire_sos import ROWS as SOS
from tests.guarantees.wire_stores import ROWS as TIME_AND_STORES

ROWS: Final[tuple[Row, ...]] = (*EDGE, *HUB, *SOS, *TIME_AND_STORES)
RULES: Final[tuple[str, ...]] = (
    *(f"§3 edge {number}" for number in range(1, 9)),
    *(f"§3 hub {number}" for number in range(1, 7)),
    "§3 hello_interval",
    "§3 conservation",
    "§4",
    "§5",
    "§8",
)
"""The rules of the contract, in its order."""
WORKERS: Final = 2
ENDS_WITHIN_S: Final = 120.0
"""How long the tests of one row may take on a busy machine."""
_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.guarantees.trial"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one change: caught by its tests, or why not, and how long it took."""

    row: Row
    caught: bool
    why: str
    took_s: float

    def line(self) -> str:
        """The verdict for a terminal."""
        said = "caught" if self.caught else f"MISSED ({self.why})"
        return f"{said:7} {self.took_s:5.1f} s  {self.row.name}  [{self.row.mutation.file}]"


class Copy:
    """A copy of the packages in which one rule at a time is broken."""

    def __init__(self, folder: Path, source: Path) -> None:
        """Copy the packages of `source`, compiled or not."""
        self.folder = folder
        for package in PACKAGES:
            shutil.copytree(source / package, folder / package)

    def compiled(self) -> Self:
        """Compile what no earlier run has."""
        for package in PACKAGES:
            compileall.compile_dir(self.folder / package, quiet=2)
        return self

    def try_out(self, row: Row) -> Verdict:
        """Break the rule, run its tests on the copy, and mend it again."""
        begun_s = time.monotonic()
        file = self.folder / row.mutation.file
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()
        file.write_text(row.mutation.applied(ROOT), encoding="utf-8")
        try:
            code, said = self.tests(row)
        finally:
            shutil.copy2(ROOT / row.mutation.file, file)
        caught = code == FAILED and said.startswith("1 failed")
        return Verdict(row, caught, "" if caught else f"ended with {code}: {said}", time.monotonic() - begun_s)

    def tests(self, row: Row) -> tuple[int | None, str]:
        """Run the tests of a row on the copy as it is; return how the trial ended, and its last words."""
        said = self.folder / "said.txt"
        process = _FORKS.Process(target=attempt, args=(row.tests, str(self.folder), row.mutation.file, str(said)))
        process.start()
        process.join(ENDS_WITHIN_S)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines() if said.exists() else []
        return code, next((line for line in reversed(lines) if line.strip()), "nothing")


def break_rules(rows: Sequence[Row], *, tell: bool = False) -> list[Verdict]:
    """Break one rule after the other, two at a time, each in a copy of its own."""
    with tempfile.TemporaryDirectory(prefix="linli-wire-") as folder:
        first = Copy(Path(folder, "0"), ROOT).compiled()
        code, said = first.tests(rows[0])
        assert code == PASSED, f"with nothing broken the tests of {rows[0].name} ended with {code}: {said}"
        free: SimpleQueue[Copy] = SimpleQueue()
        free.put(first)
        for number in range(1, WORKERS):
            free.put(Copy(Path(folder, str(number)), first.folder))

        def attempt(row: Row) -> Verdict:
            copy = free.get()
            try:
                verdict = copy.try_out(row)
            finally:
                free.put(copy)
            if tell:
                print(verdict.line(), flush=True)
            return verdict

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(attempt, rows))


def unnoticed(row: Row) -> Row:
    """Return the row with a change that breaks nothing: a trial that notices it notices everything."""
    mutation = row.mutation
    return replace(row, mutation=Mutation(mutation.file, mutation.old, f"{mutation.old}  "))


def rows_of(text: str | None) -> list[Row]:
    """Return the rows whose name holds `text`, all for None."""
    return [row for row in ROWS if text is None or text in row.name]


def markdown() -> str:
    """Return the table as a page shows it."""
    head = "| rule | it says | pinned by | broken in |\n|---|---|---|---|\n"
    lines: list[str] = []
    for rule in RULES:
        for row in [row for row in ROWS if row.rule == rule]:
            tests = "<br>".join(f"`{test.partition('::')[2]}`" for test in row.tests)
            lines.append(f"| {row.rule} | {row.says} | {tests} | `{row.mutation.file}` |\n")
    return head + "".join(lines)


def run(seed: int, *, full: bool) -> Run:
    """Every test that pins a rule passes on the code as it is; the short run takes one test of each rule."""
    del seed  # nothing here is random: the hypothesis tests among them run their own fixed examples
    rows = ROWS if full else [next(row for row in ROWS if row.rule == rule) for rule in RULES]
    tests = sorted({test for row in rows for test in row.tests})
    begun_s = time.monotonic()
    done = subprocess.run(
        (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            str(WORKERS),
            "-p",
            "no:cacheprovider",
            "-k",
            OTHER_DATABASES,
            *tests,
        ),
        cwd=ROOT,
        env=os.environ | {"LINLI_HYPOTHESIS_PROFILE": "ci"},
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode and not wrong:
        wrong = [f"pytest ended with {done.returncode}"]
    reached = f"{len(rows)} sentences of {len(RULES)} rules of the protocol, each pinned; {len(tests)} tests pass"
    took_s = round(time.monotonic() - begun_s, 1)
    return Run(reached, wrong, {"sentences": len(rows), "rules": len(RULES), "tests": len(tests), "took_s": took_s})


def control(seed: int) -> Control:
    """Each sentence broken in the code, one at a time: its own tests must notice."""
    del seed  # as above
    verdicts = break_rules(ROWS)
    took_s: Mapping[str, float] = {verdict.row.name: round(verdict.took_s, 1) for verdict in verdicts}
    missed = {verdict.row.name: verdict.why for verdict in verdicts if not verdict.caught}
    return Control({verdict.row.name: verdict.caught for verdict in verdicts}, {"took_s": took_s, "missed": missed})


GUARANTEE: Final = Guarantee(
    name="wire",
    promise="Each rule of the protocol between node and hub is kept, and a build that breaks one is found out.",
    aim="every sentence of wire.md §3–§5 and §8 pinned by a test; every one of them broken in the code, all caught",
    run=run,
    control=control,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Break what was asked for; 1 where a change was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.guarantees.wire_rules", description=__doc__)
    parser.add_argument("--only", metavar="RULE", help="rows whose place or sentence holds this text")
    parser.add_argument("--markdown", action="store_true", help="print the table and break nothing")
    options = parser.parse_args(arguments)
    if options.markdown:
        print(markdown(), end="")
        return 0
    verdicts = break_rules(rows_of(options.only), tell=True)
    caught = sum(verdict.caught for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} caught, {sum(verdict.took_s for verdict in verdicts):.0f} s of tests")
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
