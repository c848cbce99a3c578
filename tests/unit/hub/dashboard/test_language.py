import re
from importlib import resources
from typing import Any

import pytest
from pydantic_core import from_json

from hub.alerts.alert import AlertReason, AlertState, AlertStep
from hub.dashboard.language import choose, page_texts, words
from hub.dashboard.offers import ALERT_STEPS, ORDER_ACTIONS
from hub.dashboard.pages import _FAULTS
from hub.notification.texts import LOCALES, shipped_texts
from hub.rules.rule import RuleReason
from hub.telemetry.delivery import Verdict
from hub.vocabulary import Colour, FacilityKind, Severity
from hub.workorders.order import OrderReason, OrderState, OrderStep

PLACES = re.compile(r"\{(\w+)\}")


def shipped(locale: str) -> dict[str, str]:
    texts: dict[str, str] = from_json((resources.files("hub.dashboard") / "locales" / f"{locale}.json").read_bytes())
    return texts


def test_every_language_has_the_same_keys() -> None:
    first, *others = (list(shipped(locale)) for locale in LOCALES)
    for keys in others:
        assert keys == first


def test_every_language_fills_the_same_places() -> None:
    first, *others = ({key: set(PLACES.findall(text)) for key, text in shipped(locale).items()} for locale in LOCALES)
    for places in others:
        assert places == first


def test_no_sentence_is_empty_and_none_was_left_in_the_other_language() -> None:
    for locale in LOCALES:
        texts = shipped(locale)
        assert [key for key, text in texts.items() if not text.strip()] == []
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert [key for key, text in shipped("en").items() if chinese.search(text)] == ["lang.other"]
    neutral = {"lang.other", "lang.other_code", "time.date_clock", "facility.percent"}
    assert [key for key, text in shipped("zh").items() if key not in neutral and not chinese.search(text)] == []


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("alert_state", AlertState),
        ("alert_log", AlertStep),
        ("why", RuleReason),
        ("why", AlertReason),
        ("severity", Severity),
        ("colour", Colour),
        ("kind", FacilityKind),
        ("order_state", OrderState),
        ("order_log", OrderStep),
        ("step", ORDER_ACTIONS),
        ("step", ALERT_STEPS),
        ("said", ORDER_ACTIONS),
        ("said", ALERT_STEPS),
    ],
)
def test_every_word_of_the_domain_has_its_words(prefix: str, values: Any) -> None:
    for locale in LOCALES:
        assert [str(value) for value in values if not words(locale).knows(f"{prefix}.{value}")] == []


def test_every_reason_of_an_order_is_told_as_notifications_tell_it() -> None:
    for locale in LOCALES:
        assert [reason for reason in OrderReason if f"reason.{reason}" not in shipped_texts().keys(locale)] == []


def test_every_fault_of_a_form_has_its_words() -> None:
    assert {key for key in _FAULTS.values() if key not in page_texts().keys("zh")} == set()


def test_every_literal_key_of_a_template_is_known() -> None:
    folder = resources.files("hub.dashboard") / "templates"
    used = {
        key
        for entry in folder.iterdir()
        for key in re.findall(r"""\bw\(["']([a-z_.]+)["'](?:\)|,)""", entry.read_text("utf-8"))
    }
    assert len(used) > 40
    assert used - page_texts().keys("zh") == set()


@pytest.mark.parametrize(
    ("asked", "chosen", "person", "accepted", "spoken"),
    [
        (None, None, None, None, "zh"),
        ("en", "zh", "zh", "zh", "en"),
        ("fr", "en", "zh", "zh", "en"),
        (None, None, "en", "zh-CN", "en"),
        (None, None, None, "en-GB,zh;q=0.5", "en"),
        (None, None, None, "fr, zh-TW;q=0.3, en;q=0.2", "zh"),
        (None, None, None, "en;q=0", "zh"),
        (None, None, None, "en;q=often", "zh"),
        (None, None, None, "fr-FR", "zh"),
        (None, None, None, ";;,=", "zh"),
    ],
)
def test_the_address_goes_before_the_choice_before_the_person_before_the_browser(
    asked: str | None, chosen: str | None, person: str | None, accepted: str | None, spoken: str
) -> None:
    assert choose(asked=asked, chosen=chosen, person=person, accepted=accepted) == spoken


def test_what_the_pages_do_not_know_is_looked_up_where_notifications_do_and_else_shown_as_it_is() -> None:
    assert words("en")("fault_code.binFull") == "bin full"
    assert words("en")("why.never_heard_of") == "why.never_heard_of"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_reason_why_the_telemetry_store_takes_nothing_has_its_words(locale: str) -> None:
    told = [
        f"why.store_{verdict}" for verdict in Verdict if verdict not in {Verdict.STORED, Verdict.AWAY, Verdict.REFUSED}
    ]
    assert [key for key in told if words(locale)(key) == key] == []
