from pathlib import Path

import pytest
from msgspec import NODEFAULT, Meta, structs

from edge.errors import InvalidSettings
from edge.settings import (
    BrokerSettings,
    DeviceSettings,
    EdgeSettings,
    LocalRuleSettings,
    OutboxSettings,
    SmsSettings,
    check_ca,
    load_settings,
    read_password,
)
from edge.tables import Table

GOOD = """
site = "demo"
node = "pi-1"
data_dir = "data"
broker = {url = "mqtt://127.0.0.1:1883", password_file = "password"}
devices = [{slug = "bin-42-us", driver = "fake", kind = "fill_level", interval_s = 1, options = {script = "bin.csv"}}]
"""


def load(folder: Path, text: str) -> list[str]:
    """The complaints about a file, in order."""
    path = folder / "edge.toml"
    path.write_text(text)
    try:
        load_settings(path)
    except InvalidSettings as error:
        return [line.removeprefix(f"{path}: ") for line in error.lines()]
    return []


def test_the_example_of_the_contract_is_understood_and_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(GOOD)
    settings = load_settings(tmp_path / "edge.toml")
    assert settings.data_dir == tmp_path / "data"
    assert settings.broker.password_file == tmp_path / "password"
    assert (settings.broker.host, settings.broker.port, settings.broker.tls) == ("127.0.0.1", 1883, False)
    assert settings.devices[0].options == {"script": "bin.csv"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('site = "demo"', 'sitee = "demo"', "site: is missing"),
        ('site = "demo"', 'site = "Demo"', "site: Expected `str` matching regex '^[a-z0-9][a-z0-9-]*\\\\Z'"),
        ("password_file", "pasword_file", "broker.pasword_file: unknown key"),
        ("interval_s", "interval", "devices[0].interval: unknown key"),
        ("interval_s = 1", "interval_s = 0", "devices[0].interval_s: Expected `float` > 0.0"),
        ("mqtt://127.0.0.1:1883", "http://x", "broker.url: must begin with mqtt:// or mqtts://"),
        (
            "mqtt://127.0.0.1",
            "mqtt://u:p@127.0.0.1",
            "broker.url: must not carry a user or a password; use password_file",
        ),
        (":1883", ":99999", "broker.url: Port out of range 0-65535"),
        ('"password"}', '"password", password = "x"}', "broker: give password or password_file, not both"),
        ('"password"}', '"password", ca = "ca.pem"}', "broker: ca needs an mqtts:// url"),
        (
            'data_dir = "data"',
            'data_dir = "data"\nclock = "sundial"',
            "clock: must be one of: auto, system, hub",
        ),
        ('data_dir = "data"', 'data_dir = "data"\noutbox = {limit_gb = 1}', "outbox.limit_gb: unknown key"),
        (
            "interval_s = 1",
            "dead_band = {fill_percent = 1}",
            "devices[0]: dead_band needs max_silence_s, or a silent sensor looks like a dead one",
        ),
    ],
)
def test_each_mistake_is_named_by_key_and_reason(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    assert complaint in load(tmp_path, GOOD.replace(old, new, 1))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    complaints = load(tmp_path, 'site = "demo"\nnode = "Pi 1"\ncolour = "red"\nbroker = {url = "mqtt://h"}\n')
    assert [line.partition(":")[0] for line in complaints] == ["node", "data_dir", "colour"]


def test_a_kind_nobody_knows_and_a_slug_that_stands_twice_are_refused(tmp_path: Path) -> None:
    (complaint,) = load(tmp_path, GOOD.replace('"fill_level"', '"fill"'))
    assert complaint.startswith("devices[0].kind: 'fill' is no kind of reading; known: fill_level, lamp")
    device = '{slug = "a", driver = "fake"}'
    head = GOOD.partition("devices")[0]
    assert load(tmp_path, f"{head}devices = [{device}, {device}]") == ["devices: slug 'a' stands twice"]


RULES = """
site = "demo"
node = "pi-1"
data_dir = "data"
broker = {url = "mqtt://127.0.0.1:1883"}
devices = [{slug = "bin-1", driver = "fake", kind = "fill_level"}, {slug = "light", driver = "fake"}]
"""


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ('{when = "bin_full", output = "light"}', None),
        ('{when = "sos", output = "light", after_s = 10, until = "sent"}', None),
        ('{when = "fire", output = "light"}', "when: must be one of: sos, bin_full, lamp_failure"),
        ('{when = "sos", output = "lihgt"}', "output: no device is called 'lihgt'"),
        (
            '{when = "bin_full", output = "light", devices = ["light"]}',
            "devices: no device of kind fill_level is called 'light'",
        ),
        ('{when = "sos", output = "light", devices = ["x"]}', "devices: no device is called 'x'"),
        ('{when = "lamp_failure", output = "light"}', "when: there is no device of kind lamp"),
        ('{when = "sos", output = "light", hold_s = 3}', "hold_s: is nothing that sos knows"),
        ('{when = "bin_full", output = "light", enter_percent = 50}', "leave_percent: 60 is above enter_percent 50"),
        ('{when = "sos", output = "light", until = "dawn"}', "until: Invalid enum value 'dawn'"),
    ],
)
def test_a_local_rule_that_cannot_be_kept_is_refused(tmp_path: Path, rule: str, complaint: str | None) -> None:
    found = load(tmp_path, f"{RULES}local_rules = [{rule}]\n")
    assert found == ([] if complaint is None else [f"local_rules[0].{complaint}"])


def test_a_file_that_is_no_toml_or_not_there_is_one_line(tmp_path: Path) -> None:
    (complaint,) = load(tmp_path, "site = ")
    assert complaint.startswith("is no TOML: ")
    with pytest.raises(InvalidSettings) as caught:
        load_settings(tmp_path / "none.toml")
    assert caught.value.lines() == [f"{tmp_path / 'none.toml'}: No such file or directory"]


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("mqtt:", "mqtts:").replace('"password"}', '"password", ca = "ca.pem"}')
    (tmp_path / "edge.toml").write_text(text)
    settings = load_settings(tmp_path / "edge.toml")
    with pytest.raises(InvalidSettings, match=r"broker.ca: .*ca.pem cannot be read"):
        check_ca(settings.broker, source="edge.toml")
    (tmp_path / "ca.pem").write_text("")
    check_ca(settings.broker, source="edge.toml")


def test_the_password_is_the_files_text_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(GOOD)
    settings = load_settings(tmp_path / "edge.toml")
    with pytest.raises(InvalidSettings, match=r"broker.password_file: .*No such file"):
        read_password(settings.broker, source="edge.toml")
    (tmp_path / "password").write_text("s3cret\n")
    assert read_password(settings.broker, source="edge.toml") == "s3cret"
    (tmp_path / "password").write_text("\n")
    with pytest.raises(InvalidSettings, match="is empty"):
        read_password(settings.broker, source="edge.toml")


DOCUMENT = Path(__file__).parents[3] / "docs" / "edge.md"


def rows(model: type[Table], prefix: str) -> list[str]:
    """The table rows of a model's keys."""
    lines: list[str] = []
    for field in structs.fields(model):
        said = [one.description for one in getattr(field.type, "__metadata__", ()) if isinstance(one, Meta)]
        if not any(said):
            continue
        told = field.default is not NODEFAULT and field.default not in (None, ())
        default = "required" if field.required else f"`{field.default}`" if told else ""
        lines.append(f"| `{prefix}{field.name}` | {default} | {''.join(filter(None, said))} |")
    return lines


TABLES = {
    "The node": (EdgeSettings, ""),
    "The broker": (BrokerSettings, "broker."),
    "The second path": (SmsSettings, "second_path.sms."),
    "The outbox": (OutboxSettings, "outbox."),
    "Devices": (DeviceSettings, "devices[]."),
    "Local rules": (LocalRuleSettings, "local_rules[]."),
}


@pytest.mark.parametrize("title", TABLES)
def test_the_document_says_what_the_settings_say(title: str) -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n#")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows(*TABLES[title])
