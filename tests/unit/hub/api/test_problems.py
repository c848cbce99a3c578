"""Errors as problems: the whole tree is in the table."""

import pytest

from hub import errors
from hub.api.problems import PROBLEMS, kind_of
from hub.errors import HubError, IllegalTransitionError, InvalidError, TooManyRequestsError
from hub.rules.parameters import ParameterError


def leaves(kind: type[HubError]) -> set[type[HubError]]:
    below = kind.__subclasses__()
    return {kind}.union(*(leaves(child) for child in below)) if below else {kind}


TREE = sorted({kind for kind in leaves(HubError) if kind.__module__ == errors.__name__}, key=lambda kind: kind.__name__)


def example(kind: type[HubError]) -> HubError:
    if issubclass(kind, IllegalTransitionError):
        return kind("no", legal=("accept",))
    if issubclass(kind, TooManyRequestsError):
        return kind("wait", retry_after_s=1)
    if issubclass(kind, InvalidError):
        return kind(("field", "message"))
    return kind("message")


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not HubError])
def test_every_error_of_the_tree_is_told_as_something(kind: type[HubError]) -> None:
    assert kind_of(example(kind)).code != "internal"


def test_what_is_not_in_the_table_is_told_as_its_ancestor() -> None:
    assert kind_of(ParameterError(("a", "b"))).code == "validation"
    assert kind_of(HubError("?")).status == 500


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in PROBLEMS.values()]
    assert len(set(codes)) == len(codes)
