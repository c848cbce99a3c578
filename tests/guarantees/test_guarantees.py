"""The page of the guarantees says what their modules say, and each of them can be asked for by its name."""

from pathlib import Path

import pytest

from tests.architecture.checkout import text
from tests.guarantees.__main__ import MODULES, guarantee
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
    assert "1 of 2 caught" in proof.row()


def test_an_experiment_that_died_does_not_hold_and_one_without_its_control_says_so() -> None:
    died = Proof("G1", "Nothing is lost.", "0", 1, took_s=2.0, run={"wrong": ["it ended with 1"]}, control=None)
    assert died.wrong == ["it ended with 1"]
    assert "not run" in died.lines()
