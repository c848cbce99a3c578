"""Sealed files: a wrong key, a flipped bit, a cut end and a full disk are told apart."""

import errno
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import ConfigurationError, StorageError
from hub.upkeep.backup.sealing import Key, _library, make_key, opening, read_key, sealing

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def key(tmp_path: Path) -> Key:
    make_key(tmp_path / "key")
    return read_key(tmp_path / "key")


def sealed(key: Key) -> bytes:
    target = io.BytesIO()
    with sealing(target, key, name="f") as file:
        file.write(CONTENT)
    return target.getvalue()


def opened(data: bytes, key: Key) -> bytes:
    with opening(io.BytesIO(data), key, name="f") as file:
        return file.read()


def test_what_is_sealed_for_the_public_half_is_opened_by_the_secret_one(tmp_path: Path, key: Key) -> None:
    public = make_key(tmp_path / "other")
    (tmp_path / "public").write_text(f"# ours\n{public}\n")
    only_public = read_key(tmp_path / "public")
    assert not only_public.opens
    data = sealed(only_public)
    assert opened(data, read_key(tmp_path / "other")) == CONTENT
    with pytest.raises(StorageError, match="f is not opened by this key"):
        opened(data, key)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data[:-1], id="a byte short"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: data[:500_000] + bytes([data[500_000] ^ 1]) + data[500_001:], id="one bit"),
        pytest.param(lambda data: data + b"x", id="a byte more"),
    ],
)
def test_a_damaged_file_is_never_taken_for_a_whole_one(key: Key, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(StorageError, match="f is damaged or cut off"):
        opened(spoil(sealed(key)), key)


@pytest.mark.parametrize("data", [b"", b"hello", b"age-encryption.org/v1\n", b"\0" * 300])
def test_another_file_is_no_backup(key: Key, data: bytes) -> None:
    with pytest.raises(StorageError, match="is no backup of a hub"):
        opened(data, key)


class FullDisk(io.RawIOBase):
    """Takes so many bytes and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, data: object) -> int:
        assert isinstance(data, bytes | bytearray | memoryview)
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.mark.parametrize("room", [0, 300, 200_000])
def test_a_full_disk_ends_it_with_its_reason(key: Key, room: int) -> None:
    with pytest.raises(StorageError, match="f cannot be written: the disk is full"):
        fill(FullDisk(room), key)


def fill(target: "FullDisk | io.BytesIO", key: Key, *, stop: bool = False) -> None:
    with sealing(target, key, name="f") as file:
        for _ in range(8):
            file.write(CONTENT)
        if stop:
            raise ZeroDivisionError


def test_the_writers_own_failure_is_what_is_told(key: Key) -> None:
    with pytest.raises(ZeroDivisionError):
        fill(io.BytesIO(), key, stop=True)


def test_whoever_stops_reading_early_hears_no_complaint_of_the_pipe(key: Key) -> None:
    with pytest.raises(ZeroDivisionError):
        look_and_stop(sealed(key), key)


def look_and_stop(data: bytes, key: Key) -> None:
    with opening(io.BytesIO(data), key, name="f") as file:
        assert file.read(1)
        raise ZeroDivisionError


def test_a_key_is_made_for_its_owner_and_never_over_another(tmp_path: Path, key: Key) -> None:
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="never written over"):
        make_key(tmp_path / "key")


def test_a_key_may_be_sealed_by_a_passphrase(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "sealed"
    path.write_bytes(_library().passphrase.encrypt((tmp_path / "key").read_bytes(), "four words of mine"))
    data = sealed(key)
    assert opened(data, read_key(path, passphrase="four words of mine")) == CONTENT
    with pytest.raises(ConfigurationError, match="not opened by this passphrase"):
        read_key(path, passphrase="other")
    with pytest.raises(ConfigurationError, match="name its file with --passphrase-file"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "age1xx\n", "AGE-SECRET-KEY-1XX\n", "password\n", "\xff"])
def test_what_is_no_key_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd").write_text(text)
    with pytest.raises(ConfigurationError, match="is no key: linli-hub backup-key makes one"):
        read_key(tmp_path / "odd")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key(tmp_path / "absent")
