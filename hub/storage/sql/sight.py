"""Sight → the condition that every list of alerts and work orders starts from."""

from typing import Final

from sqlalchemy import ColumnElement, Table, and_, false, or_, true

from hub.vocabulary import FAULTS, Sight

_LIFE_SAFETY: Final = [code.value for code, fault in FAULTS.items() if fault.life_safety]


def seen(sight: Sight, table: Table, of_crews: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return what holds for the rows of `table` that are seen; `of_crews` is what holds for those of its crews."""
    if sight.sites is None:
        return true()
    care = table.c.fault_code.in_(_LIFE_SAFETY)
    return or_(
        table.c.site.in_(sight.sites) if sight.sites else false(),
        care if sight.care_sites is None else and_(care, table.c.site.in_(sight.care_sites)),
        of_crews if sight.crews else false(),
    )
