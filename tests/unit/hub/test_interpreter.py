"""The interpreter under the hub: it starts again as itself, once, without memory for each thread."""

import os
import subprocess
import sys

import pytest

NAME = "GLIBC_TUNABLES"
PROGRAM = f"""
import os, sys
from hub import interpreter
interpreter.start_without_thread_caches()
print(os.getpid(), os.environ.get({NAME!r}), sys.argv[1:], sys.flags.dont_write_bytecode, sep="|")
"""


def started(told: str | None) -> list[str]:
    around = {name: value for name, value in os.environ.items() if name != NAME}
    if told is not None:
        around[NAME] = told
    command = [sys.executable, "-B", "-c", PROGRAM, "serve", "two words"]
    with subprocess.Popen(command, env=around, stdout=subprocess.PIPE, text=True) as program:
        said, _ = program.communicate(timeout=60)
    pid, *found = said.strip().split("|")
    assert (program.returncode, int(pid)) == (0, program.pid)  # who has started it keeps its hold
    return found


@pytest.mark.parametrize(
    ("told", "then"),
    [
        (None, "glibc.malloc.tcache_count=0"),
        ("", "glibc.malloc.tcache_count=0"),
        ("glibc.malloc.arena_max=3", "glibc.malloc.arena_max=3:glibc.malloc.tcache_count=0"),
        ("glibc.malloc.tcache_count=7", "glibc.malloc.tcache_count=7"),
    ],
)
def test_it_starts_again_as_itself_without_memory_for_each_thread_unless_told_otherwise(
    told: str | None, then: str
) -> None:
    assert started(told) == [then, "['serve', 'two words']", "1"]
