import re
from pathlib import Path

from edge.ids import boot_of, machine_of, new_epoch, new_ref


def test_epochs_are_sixteen_hex_digits_and_differ() -> None:
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", epoch) for epoch in epochs)


def test_a_reference_begins_with_its_device() -> None:
    assert re.fullmatch("band-07:[0-9a-f]{12}", new_ref("band-07"))


def test_a_boot_is_the_kernels_told_apart_by_folder(tmp_path: Path) -> None:
    kernel = tmp_path / "boot_id"
    kernel.write_text("f93cf389-b2e5-4efc-8592-95345afd1c61\n")
    boot = boot_of(tmp_path / "a", kernel=kernel)
    assert re.fullmatch("[0-9a-f]{16}", boot)
    assert boot == boot_of(tmp_path / "a", kernel=kernel)
    assert boot != boot_of(tmp_path / "copy", kernel=kernel)
    kernel.write_text("00000000-b2e5-4efc-8592-95345afd1c61\n")
    assert boot != boot_of(tmp_path / "a", kernel=kernel)


def test_the_boards_serial_goes_before_the_installations_id(tmp_path: Path) -> None:
    serial, installation = tmp_path / "serial", tmp_path / "machine-id"
    installation.write_text("3d1219c7\n")
    assert machine_of((serial, installation)) == "3d1219c7"
    serial.write_bytes(b"10000000a3b1c2d4\0")
    assert machine_of((serial, installation)) == "10000000a3b1c2d4"
    assert machine_of((tmp_path / "none",)) is None
