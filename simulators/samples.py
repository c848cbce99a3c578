"""Fill levels from CSV files: `Time,p` (naive UTC, percent) or `after_s,fill_percent`; any order of rows."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from protocols.slug import is_slug
from simulators.errors import BadInput

_CLOCKED: Final = ("Time", "p")
_RELATIVE: Final = ("after_s", "fill_percent")


@dataclass(frozen=True, slots=True)
class Sample:
    """One fill level of one container."""

    at: datetime
    container: str
    fill_percent: float


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one file in the order of time; `container` is a slug made of the file's name."""

    container: str
    samples: tuple[Sample, ...]

    @property
    def usual_interval_s(self) -> int:
        """The median time between two samples, at least a second."""
        if len(self.samples) < 2:
            return 3600
        return max(
            1, round(median((later.at - earlier.at).total_seconds() for earlier, later in pairwise(self.samples)))
        )

    @property
    def longest_silence_s(self) -> float:
        """The longest time between two samples."""
        return max(((later.at - earlier.at).total_seconds() for earlier, later in pairwise(self.samples)), default=0.0)


def read_series(path: Path, *, start: datetime) -> Series:
    """Read a file, `after_s` counting from `start`; raise `BadInput` with file and line for what cannot be read."""
    container = path.stem.lower().replace("_", "-")
    if not is_slug(container, longest=50):
        raise BadInput(f"{path}: the file's name must make a slug, {container!r} is none")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            samples = _read_rows(csv.reader(file), container, start=start, path=path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    return Series(container, tuple(sorted(samples, key=lambda sample: sample.at)))


def merge(series: Iterable[Series]) -> list[Sample]:
    """Return the samples of all files in the order of time."""
    return sorted((sample for one in series for sample in one.samples), key=lambda sample: sample.at)


def group(samples: Sequence[Sample], *, span: timedelta) -> list[list[Sample]]:
    """Return runs of samples that lie within `span` of their first."""
    groups: list[list[Sample]] = []
    for sample in samples:
        if groups and sample.at - groups[-1][0].at <= span:
            groups[-1].append(sample)
        else:
            groups.append([sample])
    return groups


def _read_rows(rows: Iterable[list[str]], container: str, *, start: datetime, path: Path) -> list[Sample]:
    samples: list[Sample] = []
    columns: tuple[str, ...] | None = None
    for line, row in enumerate(rows, start=1):
        if columns is None:
            columns = tuple(name.strip() for name in row)
            if columns not in (_CLOCKED, _RELATIVE):
                raise BadInput(f"{path}:1: the columns must be {','.join(_CLOCKED)} or {','.join(_RELATIVE)}")
            continue
        if not row:
            continue
        try:
            when, level = row
            at = _clocked(when) if columns == _CLOCKED else start + timedelta(seconds=float(when))
            percent = float(level)
        except (ValueError, OverflowError) as error:
            raise BadInput(f"{path}:{line}: {error}") from error
        if not 0 <= percent <= 100:
            raise BadInput(f"{path}:{line}: {percent:g} is not between 0 and 100")
        samples.append(Sample(at, container, percent))
    if not samples:
        raise BadInput(f"{path}: no samples")
    return samples


def _clocked(text: str) -> datetime:
    at = datetime.fromisoformat(text.strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
