"""The steps of `install-service` as they are taken, with harmless commands in the place of the system's."""

from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.owner.install import take
from edge.owner.service import Delete, Run, Write


def test_steps_are_taken_in_order_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    unit = tmp_path / "unit"
    take([Write(unit, "[Unit]\n"), Run(("cp", str(unit), str(tmp_path / "copy"))), Delete(unit)], say=said.append)
    assert (unit.exists(), (tmp_path / "copy").read_text()) == (False, "[Unit]\n")
    assert said == [f"writes {unit}", f"$ cp {unit} {tmp_path / 'copy'}", f"deletes {unit}"]


def test_a_step_that_fails_ends_it_with_what_it_said_unless_it_may(tmp_path: Path) -> None:
    after = tmp_path / "after"
    with pytest.raises(EdgeError, match=r"^ls /nowhere: ls: cannot access"):
        take([Run(("ls", "/nowhere")), Write(after, "")], say=lambda _: None)
    with pytest.raises(EdgeError, match="no-such-program: No such file"):
        take([Run(("no-such-program",))], say=lambda _: None)
    assert not after.exists()
    take([Run(("ls", "/nowhere"), may_fail=True), Write(after, "")], say=lambda _: None)
    assert after.exists()
