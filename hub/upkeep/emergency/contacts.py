"""Telephone numbers for the sheet, from a CSV that whoever runs the hub keeps: Linli itself stores none."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.errors import InvalidError

COLUMNS: Final = ("site", "name", "role", "phone")
_LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call; an empty `site` is every site, an empty `phone` is left to the pen."""

    site: str
    name: str
    role: str
    phone: str


def read_contacts(path: Path) -> Sequence[Contact]:
    """Read the file; InvalidError names the row that is wrong."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode("utf-8-sig")
    except OSError as error:
        raise InvalidError((str(path), error.strerror or "cannot be read")) from None
    except UnicodeDecodeError:
        raise InvalidError((str(path), "is not UTF-8")) from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if set(rows.fieldnames or ()) != set(COLUMNS):
        raise InvalidError((str(path), f"its header must be {','.join(COLUMNS)}"))
    found: list[Contact] = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if None in row or not cells["name"]:
            raise InvalidError((f"{path} row {number}", "needs a name and no more than four columns"))
        found.append(Contact(**cells))
    return found
