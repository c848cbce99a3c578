"""From the stores to the file: HTML for A4, or plain text."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from hub.app import open_clock
from hub.errors import NotFoundError, StorageError
from hub.ids import new_ulid
from hub.reactions import react
from hub.settings import Settings
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import file_of, look_at_schema
from hub.storage.sql.migrate import require_current
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.storage.whole_file import replace_text
from hub.upkeep.emergency.contacts import read_contacts
from hub.upkeep.emergency.sheet import Asked, Sheet, read_sheet

_PACKAGE: Final = "hub.upkeep.emergency"


def print_sheet(settings: Settings, output: Path, *, site: str | None, contacts: Path | None) -> None:
    """Write the sheet, straight from the state database; the file is replaced whole, for its owner only."""
    numbers = () if contacts is None else read_contacts(contacts)
    url = settings.state_url
    file = file_of(url)
    if file is not None and not file.exists():
        message = f"{file} is not there: LINLI_DATA_DIR names the hub's data directory"
        raise StorageError(message)
    engine = open_engine(url)
    try:
        look_at_schema(engine)
        require_current(engine.execution_options(linli_read_only=True))
        now_ms = open_clock(settings, engine).now_ms()
        asked = Asked(hub_id=settings.hub_id, site=site, now_ms=now_ms, as_of_ms=_written(file), numbers=numbers)
        with SqlTransactions(engine, react=react, now_ms=lambda: now_ms, new_id=new_ulid).read() as unit:
            sheet = read_sheet(unit, asked)
    finally:
        engine.dispose()
    if site is not None and not sheet.parts:
        message = f"there is no site {site}"
        raise NotFoundError(message)
    text = render_text(sheet) if output.suffix.lower() == ".txt" else render_html(sheet)
    try:
        replace_text(output, text)
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}"
        raise StorageError(message) from error


def render_html(sheet: Sheet) -> str:
    """Return the sheet as a page for A4."""
    return _templates().get_template("sheet.html").render(sheet=sheet)


def render_text(sheet: Sheet) -> str:
    """Return the sheet as plain text, one row a line."""
    return _templates().get_template("sheet.txt").render(sheet=sheet)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printable,
    )
    filters: Any = made.filters
    filters.update(line=_line, column=_column)
    return made


def _printable(value: object) -> object:
    """Return a text without what a printer or terminal would obey; anything else as it is."""
    return "".join(sign if sign.isprintable() else " " for sign in value) if isinstance(value, str) else value


def _line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(str(_printable(text)).split())


def _column(text: str, width: int) -> str:
    """Return a text of one line, filled to so many columns; Chinese signs take two."""
    shown = _line(text)
    taken = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in shown)
    return shown + " " * max(1, width - taken)


def _written(file: Path | None) -> int | None:
    """Return when a SQLite file was last written."""
    if file is None:
        return None
    parts = [path for path in (file, file.with_name(f"{file.name}-wal")) if path.exists()]
    return max(path.stat().st_mtime_ns for path in parts) // 1_000_000
