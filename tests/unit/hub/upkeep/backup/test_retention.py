"""Which backups are kept."""

from datetime import UTC, datetime, timedelta

from hub.upkeep.backup.retention import broken_off, file_name, too_many

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def names(hub_id: str, days: int) -> list[str]:
    return [file_name(hub_id, AT + timedelta(days=day)) for day in range(days)]


def test_the_newest_stay_whatever_the_order_of_the_folder() -> None:
    assert sorted(too_many(reversed(names("a", 5)), hub_id="a", keep=2)) == names("a", 3)


def test_what_another_hub_or_somebody_else_put_there_is_left_alone() -> None:
    others = [*names("b", 3), *names("a-b", 3), "linli-a-notes.age", f"{names('a', 1)[0]}.unfinished", "key"]
    assert too_many([*others, *names("a", 2)], hub_id="a", keep=1) == names("a", 1)


def test_fewer_than_are_kept_all_stay() -> None:
    assert too_many(names("a", 2), hub_id="a", keep=7) == []


def test_what_a_killed_backup_left_is_known_from_what_others_write() -> None:
    left = f"{names('a', 1)[0]}.unfinished"
    others = [f"{names('b', 1)[0]}.unfinished", "notes.unfinished", *names("a", 2)]
    assert broken_off([left, *others], hub_id="a") == [left]
