"""What was measured: figures with their runs, their floors and their aims, as a table and as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity of one subject, once a run; the smallest and the median of the runs are what is told."""

    benchmark: str
    subject: str
    quantity: str
    unit: str
    values: tuple[float, ...]
    aim: float | None = None
    """At most this, by the median."""

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        return None if self.aim is None else self.median <= self.aim


@dataclass(slots=True)
class Report:
    """All figures of a run of the benchmarks, and what has to be said beside them."""

    figures: list[Figure] = field(default_factory=list[Figure])
    notes: list[str] = field(default_factory=list[str])

    def add(
        self,
        benchmark: str,
        subject: str,
        quantity: str,
        values: float | Iterable[float],
        *,
        unit: str,
        aim: float | None = None,
    ) -> None:
        """Take a figure: one value, or one a run."""
        taken = (float(values),) if isinstance(values, int | float) else tuple(map(float, values))
        self.figures.append(Figure(benchmark, subject, quantity, unit, taken, aim))

    def median(self, benchmark: str, subject: str, quantity: str) -> float:
        """The median of a figure that was added."""
        (found,) = [
            figure
            for figure in self.figures
            if (figure.benchmark, figure.subject, figure.quantity) == (benchmark, subject, quantity)
        ]
        return found.median

    def note(self, text: str) -> None:
        self.notes.append(text)

    def table(self) -> str:
        """The figures as aligned text, a blank line between benchmarks."""
        head = ("benchmark", "subject", "quantity", "min", "median", "unit", "aim", "")
        rows = [_row(figure) for figure in self.figures]
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        lines = [_line(head, widths)]
        before = None
        for figure, row in zip(self.figures, rows, strict=True):
            if figure.benchmark != before:
                lines.append("")
                before = figure.benchmark
            lines.append(_line(row, widths))
        return "\n".join([*lines, *(["", *self.notes] if self.notes else [])])

    def to_json(self) -> dict[str, Any]:
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "machine": {
                "cpus": os.cpu_count(),
                "system": platform.platform(),
                "python": platform.python_version(),
            },
            "figures": [
                {
                    "benchmark": figure.benchmark,
                    "subject": figure.subject,
                    "quantity": figure.quantity,
                    "unit": figure.unit,
                    "runs": list(figure.values),
                    "min": figure.least,
                    "median": figure.median,
                    "aim": figure.aim,
                    "met": figure.met,
                }
                for figure in self.figures
            ],
            "notes": self.notes,
        }

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def add_latencies(
    report: Report, benchmark: str, subject: str, latencies_ms: Sequence[float], *, aim_p99_ms: float | None = None
) -> None:
    """Tell latencies by p50, p99 and maximum."""
    report.add(benchmark, subject, "p50", percentile(latencies_ms, 50), unit="ms")
    report.add(benchmark, subject, "p99", percentile(latencies_ms, 99), unit="ms", aim=aim_p99_ms)
    report.add(benchmark, subject, f"max of {len(latencies_ms)}", max(latencies_ms), unit="ms")


def _row(figure: Figure) -> tuple[str, ...]:
    aim = "" if figure.aim is None else f"≤ {_number(figure.aim)}"
    verdict = "" if figure.met is None else "met" if figure.met else "MISSED"
    return (
        figure.benchmark,
        figure.subject,
        figure.quantity,
        _number(figure.least),
        _number(figure.median),
        figure.unit,
        aim,
        verdict,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (3, 4)
    return "  ".join(
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
