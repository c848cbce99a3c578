import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from edge.checks.disk import check_disk, check_medium
from edge.checks.finding import Verdict


def ticking(step_s: float) -> Iterator[float]:
    return (number * step_s for number in count())


def test_a_folder_is_written_through_and_left_as_it_was(tmp_path: Path) -> None:
    ticks = ticking(0.01)
    (finding,) = check_disk(tmp_path / "data", min_free_mb=0, now_s=lambda: next(ticks))
    assert finding.verdict is Verdict.OK
    assert "written through in 10 ms" in finding.detail
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_too_little_room_fails_and_a_slow_one_is_warned_of(tmp_path: Path) -> None:
    ticks = ticking(0.01)
    (full,) = check_disk(tmp_path, min_free_mb=1 << 40, now_s=lambda: next(ticks))
    assert full.verdict is Verdict.FAIL
    slow = ticking(1.1)
    (worn,) = check_disk(tmp_path, min_free_mb=0, now_s=lambda: next(slow))
    assert (worn.verdict, "worn" in worn.remedy) == (Verdict.WARN, True)


def test_a_folder_that_cannot_be_made_fails_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = check_disk(tmp_path / "file" / "data", min_free_mb=0, now_s=lambda: 0.0)
    assert finding.verdict is Verdict.FAIL
    assert "sudo install -d -o " in finding.remedy


def test_a_folder_of_another_user_is_left_to_it(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    os.chown(data_dir, 65_534, 65_534)
    (data_dir / f".check-{os.getpid()}").mkdir()
    (finding,) = check_disk(data_dir, min_free_mb=0, now_s=lambda: 0.0)
    assert (finding.verdict, finding.remedy) == (
        Verdict.FAIL,
        "it belongs to nobody: run the command with sudo, or as that user",
    )


def test_the_medium_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n"
        "2 1 0:22 / /run rw shared:5 - tmpfs tmpfs rw\n"
        "3 1 8:1 / /srv/my\\040disk rw - ext4 /dev/sda1 rw\n"
    )

    def medium(folder: str) -> tuple[Verdict, str]:
        (finding,) = check_medium(Path(folder), mounts=mounts)
        return finding.verdict, finding.detail.partition(",")[0]

    assert medium("/var/lib/linli-edge") == (Verdict.OK, "ext4 on /dev/mmcblk0p2")
    assert medium("/run/linli") == (Verdict.WARN, "tmpfs: in memory only")
    assert medium("/srv/my disk/data") == (Verdict.OK, "ext4 on /dev/sda1")
    assert check_medium(Path("/"), mounts=tmp_path / "none") == []
