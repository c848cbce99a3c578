"""The earliest deadline while messages are gathered."""

from hub.ingest.deadlines import Deadlines, Sleeper, Wake

BIN = Wake(100, Sleeper.FACILITY, "demo.one")
NODE = Wake(150, Sleeper.NODE, "demo.one")


def test_a_stored_deadline_is_due_at_its_time() -> None:
    deadlines = Deadlines([NODE, BIN], others_ms=None)
    assert not deadlines.due(99)
    assert deadlines.due(100)


def test_nothing_is_due_where_there_is_no_deadline() -> None:
    assert not Deadlines([], others_ms=None).due(10**15)


def test_who_is_heard_has_a_new_deadline_in_place_of_the_stored_one() -> None:
    deadlines = Deadlines([BIN], others_ms=None)
    deadlines.move(Sleeper.FACILITY, "demo.one", 300)
    assert not deadlines.due(299)
    deadlines.move(Sleeper.FACILITY, "demo.one", 400)
    assert not deadlines.due(399)
    assert deadlines.due(400)


def test_a_new_deadline_may_be_the_earlier() -> None:
    deadlines = Deadlines([BIN], others_ms=None)
    deadlines.move(Sleeper.FACILITY, "demo.two", 50)
    assert deadlines.due(50)


def test_a_deadline_that_moved_away_can_come_back() -> None:
    deadlines = Deadlines([BIN], others_ms=None)
    deadlines.move(Sleeper.FACILITY, "demo.one", 300)
    assert not deadlines.due(200)
    deadlines.move(Sleeper.FACILITY, "demo.one", 100)
    assert deadlines.due(200)


def test_a_facility_and_a_node_of_one_name_have_each_its_own() -> None:
    deadlines = Deadlines([BIN, NODE], others_ms=None)
    deadlines.move(Sleeper.FACILITY, "demo.one", None)
    assert not deadlines.due(149)
    assert deadlines.due(150)


def test_deadlines_that_nobody_moves_bound_what_is_gathered() -> None:
    deadlines = Deadlines([], others_ms=120)
    assert not deadlines.due(119)
    assert deadlines.due(120)
