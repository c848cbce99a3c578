from hub.vocabulary import Skill
from hub.workorders.assignment import choose
from hub.workorders.ports import CrewLoad


def test_the_least_loaded_crew_is_chosen_and_the_reason_says_so() -> None:
    choice = choose([CrewLoad("demo.a", 3), CrewLoad("demo.b", 1), CrewLoad("demo.c", 2)], Skill.WASTE)
    assert (choice.crew, choice.reason) == ("demo.b", "skill_match")
    assert choice.parameters == {"skill": "waste", "open_orders": 1, "candidates": 3}


def test_among_equals_the_first_by_name_is_chosen() -> None:
    assert choose([CrewLoad("demo.b", 1), CrewLoad("demo.a", 1)], Skill.WASTE).crew == "demo.a"


def test_nobody_is_chosen_where_nobody_can() -> None:
    choice = choose([], Skill.CARE)
    assert (choice.crew, choice.reason, choice.parameters) == (None, "no_crew_with_skill", {"skill": "care"})
