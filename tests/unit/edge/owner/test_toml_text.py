import tomllib

import pytest

from edge.owner.toml_text import NotEditable, lines_to_paste, set_options

HEAD = """# A node by gate 3, empty_mm = 1200 is from the drawing
site = "demo"   # ours
"""
LAYOUTS = {
    "inline": """[[devices]]
slug = "bin-1"
options = {trigger_pin = 23, empty_mm = 1200.0, full_mm = 300}   # measured?
""",
    "sub-table": """[[devices]]
slug = "bin-1"
[devices.options]
empty_mm = 1200.0   # from the drawing
full_mm = 300
""",
    "dotted": """[[devices]]
slug = "bin-1"
options.empty_mm = 1200.0
options.full_mm = 300 # mm
""",
    "one line": 'devices = [{slug = "bin-1", options = {empty_mm=1200.0,full_mm=300}}]\n',
    "two of a kind": """[[devices]]
slug = "bin-0"
options = {empty_mm = 1200.0, full_mm = 300}
[[devices]]
options = {empty_mm = 1200.0, full_mm = 300}
slug = "bin-1"
""",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_change_and_nothing_else_does(layout: str) -> None:
    text = HEAD + LAYOUTS[layout]
    after = set_options(text, "bin-1", {"empty_mm": 1183.0, "full_mm": 312.5})
    (device,) = [device for device in tomllib.loads(after)["devices"] if device["slug"] == "bin-1"]
    assert (device["options"]["empty_mm"], device["options"]["full_mm"]) == (1183, 312.5)
    back = set_options(after, "bin-1", {"empty_mm": 1200.0, "full_mm": 300.0})
    assert back.replace("1200.0", "1200") == text.replace("1200.0", "1200")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_option_that_was_not_there_is_added_to_its_own_device(layout: str) -> None:
    after = set_options(HEAD + LAYOUTS[layout], "bin-1", {"blind_zone_mm": 250.0})
    devices = tomllib.loads(after)["devices"]
    assert [device["options"].get("blind_zone_mm") for device in devices if device["slug"] == "bin-1"] == [250]
    assert [device["options"].get("blind_zone_mm") for device in devices if device["slug"] != "bin-1"] == [None] * (
        len(devices) - 1
    )
    assert all(line in after for line in HEAD.splitlines())


def test_what_is_so_already_leaves_the_text_alone() -> None:
    text = HEAD + LAYOUTS["inline"]
    assert set_options(text, "bin-1", {"empty_mm": 1200.0}) is text


def test_a_device_that_is_not_there_or_has_no_options_is_refused() -> None:
    with pytest.raises(NotEditable, match="no device is called 'bin-9'"):
        set_options(HEAD + LAYOUTS["inline"], "bin-9", {"empty_mm": 1.0})
    with pytest.raises(NotEditable, match="cannot be set without rewriting"):
        set_options('[[devices]]\nslug = "bin-1"\n', "bin-1", {"empty_mm": 1.0})


def test_lines_to_paste_are_toml() -> None:
    assert lines_to_paste({"empty_mm": 1183.0, "scale": 0.25}) == ["empty_mm = 1183", "scale = 0.25"]
