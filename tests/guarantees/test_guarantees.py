"""The page of the guarantees says what their modules say, and each of them can be asked for by its name."""

from pathlib import Path

import pytest

from tests.architecture.checkout import text
from tests.guarantees.__main__ import MODULES, guarantee
from tests.guarantees.guarantee import Control
from tests.guarantees.proof import Proof

PAGE = Path("docs/guarantees.md")


def test_every_goal_of_delivery_and_life_safety_has_its_experiment() -> None:
    assert list(MODULES) == [*(f"G{number}" for number in range(1, 19)), "wire"]


@pytest.mark.parametrize("name", MODULES)
def test_the_page_repeats_the_promise_and_its_aim(name: str) -> None:
    found = guarantee(name)
    assert found.name == name
    assert f"| {name} | {found.promise} | {found.aim} |" in text(PAGE)


def test_a_proof_with_a_mutant_that_nobody_caught_does_not_hold() -> None:
    held = {"reached": "0 lost", "wrong": [], "figures": {}}
    control = {"caught": {"forgets": True, "doubles": False}, "figures": {}}
    proof = Proof("G1", "Nothing is lost.", "0", 1, took_s=2.0, run=held, control=control)
    assert proof.wrong == ["the control doubles was not caught"]
    assert "DOES NOT HOLD" in proof.lines()
    assert "1 of 2 caught" in proof.row("1a011a1")


def test_an_experiment_that_died_does_not_hold_and_one_without_its_control_says_so() -> None:
    died = Proof("G1", "Nothing is lost.", "0", 1, took_s=2.0, run={"wrong": ["it ended with 1"]}, control=None)
    assert died.wrong == ["it ended with 1"]
    assert "not run" in died.lines()


@pytest.mark.parametrize(
    ("wrong", "sound", "caught"),
    [
        (["3 readings lost"], [], True),
        (["it took too long"], [], False),
        ([], [], False),
        (["3 readings lost"], ["3 readings lost"], False),
    ],
)
def test_a_mutant_is_caught_by_its_own_sign_and_only_where_its_sound_twin_is_well(
    wrong: list[str], sound: list[str], *, caught: bool
) -> None:
    found = Control.by_signs({"loses": r"\d+ readings lost"}, {"loses": wrong}, {"loses": sound})
    assert found.caught == {"loses": caught}
    assert found.missed == ([] if caught else ["loses"])
