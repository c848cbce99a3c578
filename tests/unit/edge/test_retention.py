import pytest

from edge.retention import Room, Sample, Sizes, room, thinned

MB = 1 << 20


@pytest.mark.parametrize(
    ("file_mb", "free_in_file_mb", "disk_free_mb", "expected"),
    [
        (79, 0, 1_000, Room.AMPLE),
        (80, 0, 1_000, Room.TIGHT),
        (94, 0, 1_000, Room.TIGHT),
        (95, 0, 1_000, Room.FULL),
        (100, 30, 1_000, Room.AMPLE),
        (10, 0, 63, Room.FULL),
        (10, 1, 63, Room.AMPLE),
        (10, 0, 64, Room.AMPLE),
    ],
)
def test_room_is_judged_by_the_limit_and_on_a_short_disk_by_what_is_free_in_the_file(
    file_mb: int, free_in_file_mb: int, disk_free_mb: int, expected: Room
) -> None:
    sizes = Sizes(
        file=file_mb * MB,
        free_in_file=free_in_file_mb * MB,
        limit=100 * MB,
        disk_free=disk_free_mb * MB,
        min_disk_free=64 * MB,
    )
    assert room(sizes) is expected


def series(*values: float, device: str = "a", first: int = 1) -> list[Sample]:
    return [Sample(first + place, device, value) for place, value in enumerate(values)]


def test_of_a_window_the_least_the_greatest_and_the_last_stay() -> None:
    assert thinned(series(5, 1, 5, 9, 5, 5, 5, 5)) == [(1, 1), (3, 3), (5, 7)]


def test_a_window_that_is_not_full_is_left_alone() -> None:
    assert thinned(series(*range(7))) == []


def test_devices_are_thinned_each_for_itself() -> None:
    mixed = [
        sample
        for pair in zip(series(*range(8), first=1), series(*range(8), device="b", first=101), strict=True)
        for sample in pair
    ]
    assert thinned(mixed) == [(2, 7), (102, 107)]
