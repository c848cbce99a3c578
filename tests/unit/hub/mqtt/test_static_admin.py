"""The files of a broker that reads its users from files."""

from pathlib import Path

from hub.access.broker import NodeCredential
from hub.mqtt.static_admin import StaticAdmin
from protocols.topics import NodeAddress


def credential(node: str, password: str) -> NodeCredential:
    address = NodeAddress("demo", node)
    return NodeCredential(
        username=address.username,
        sos_username=address.sos_username,
        password=password,
        publish=address.publish_filter,
        subscribe=address.subscribe_filter,
    )


def admin(folder: Path) -> StaticAdmin:
    return StaticAdmin(folder, random_bytes=bytes)


def users(folder: Path) -> list[str]:
    return [line.partition(":")[0] for line in (folder / "passwords").read_text(encoding="utf-8").splitlines()]


def test_a_node_has_two_users_confined_to_its_own_topics(tmp_path: Path) -> None:
    admin(tmp_path).create_node(credential("pi-1", "secret"))
    assert users(tmp_path) == ["demo.pi-1", "demo.pi-1.sos"]
    acl = (tmp_path / "acl").read_text(encoding="utf-8")
    assert acl.count("topic write linli/v1/demo/pi-1/up/#") == 2
    assert acl.count("topic read linli/v1/demo/pi-1/down/#") == 2


def test_new_credentials_replace_the_former_and_leave_the_others(tmp_path: Path) -> None:
    files = admin(tmp_path)
    files.create_node(credential("pi-1", "old"))
    files.create_node(credential("pi-2", "other"))
    before = (tmp_path / "passwords").read_text(encoding="utf-8")
    files.create_node(credential("pi-1", "new"))
    after = (tmp_path / "passwords").read_text(encoding="utf-8")
    assert sorted(users(tmp_path)) == ["demo.pi-1", "demo.pi-1.sos", "demo.pi-2", "demo.pi-2.sos"]
    assert [line for line in before.splitlines() if "pi-2" in line] == [
        line for line in after.splitlines() if "pi-2" in line
    ]
    assert before.splitlines()[0] not in after


def test_a_removed_node_is_in_neither_file(tmp_path: Path) -> None:
    files = admin(tmp_path)
    files.create_node(credential("pi-1", "a"))
    files.create_node(credential("pi-2", "b"))
    files.remove_node(("demo.pi-1", "demo.pi-1.sos"))
    assert users(tmp_path) == ["demo.pi-2", "demo.pi-2.sos"]
    assert "pi-1" not in (tmp_path / "acl").read_text(encoding="utf-8")


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    admin(tmp_path).create_node(credential("pi-1", "secret"))
    assert (tmp_path / "passwords").stat().st_mode & 0o077 == 0
