"""Decisions on quarantined items from the command line."""

import pytest

from hub.errors import InvalidError
from hub.upkeep.refusals import Step, Verdict


@pytest.mark.parametrize("comment", ["x" * 4_001, "a\x00b"])
def test_a_comment_that_rest_would_refuse_is_refused(comment: str) -> None:
    with pytest.raises(InvalidError, match="comment"):
        Verdict(step=Step.DISCARD, quarantine_id="01", username="admin", comment=comment)


def test_a_comment_may_have_lines() -> None:
    verdict = Verdict(step=Step.DISCARD, quarantine_id="01", username="admin", comment="坏传感器\n已更换")
    assert verdict.comment.endswith("已更换")
