import string

import pytest

from hub.notification.messages import ALERT_ATTENTION, ALERT_NEWS, ORDER_ATTENTION, ORDER_NEWS
from hub.notification.texts import LOCALES, Texts, shipped_texts
from hub.vocabulary import FAULTS, FaultCode, Skill
from hub.workorders.order import OrderReason

TEXTS = shipped_texts()
GIVEN = {
    "alert": {"subject", "fault_code", "value", "age_min"},
    "work_order": {"subject", "fault_code", "crew", "skill", "reason"},
    "channel": {"site", "count", "channel"},
}
LIFE_SAFETY = [code for code, fault in FAULTS.items() if fault.life_safety]


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_every_locale_knows_the_same_keys() -> None:
    assert TEXTS.keys("zh") == TEXTS.keys("en")


@pytest.mark.parametrize("key", sorted(TEXTS.keys("zh")))
def test_a_sentence_has_the_same_places_in_every_locale_and_only_those_that_are_filled(key: str) -> None:
    sentences = [TEXTS.sentence(key, locale=locale) or "" for locale in LOCALES]
    assert places(sentences[0]) == places(sentences[1])
    assert places(sentences[0]) <= GIVEN.get(key.partition(".")[0], set())


def told() -> list[str]:
    steps = (*ALERT_ATTENTION, *ALERT_NEWS)
    keys = [f"alert.{code}.{step}" for code in FaultCode for step in steps]
    keys += [
        f"alert.{code}.{form}" for code in LIFE_SAFETY for form in ("fired_late", "source_unknown", "only_cancelled")
    ]
    return keys + [f"work_order.{step}" for step in (*ORDER_ATTENTION, *ORDER_NEWS)]


@pytest.mark.parametrize("key", told())
def test_all_that_is_told_has_a_sentence(key: str) -> None:
    for locale in LOCALES:
        assert TEXTS.sentence(key, locale=locale)


@pytest.mark.parametrize(
    "word",
    [
        *(f"fault_code.{code}" for code in FaultCode),
        *(f"skill.{skill}" for skill in Skill),
        *(f"reason.{reason}" for reason in OrderReason),
    ],
)
def test_our_words_have_a_name_in_every_language(word: str) -> None:
    assert word in TEXTS.keys("zh")


def test_a_sentence_is_rendered_with_words_and_trimmed_numbers() -> None:
    params = {"subject": "3 号楼垃圾桶", "fault_code": "binFull", "value": 81.0}
    assert TEXTS.render("alert.binFull.fired", params, locale="zh") == "3 号楼垃圾桶已满：81%，请清运"
    assert TEXTS.render("alert.binFull.closed", params, locale="en") == "3 号楼垃圾桶: bin full, closed"
    assert TEXTS.render("alert.binFull.fired", params | {"value": 81.26}, locale="en").endswith(
        "81.3 %, please empty it"
    )


def test_a_value_that_is_not_known_is_a_dash() -> None:
    params = {"subject": "Lamp 7", "fault_code": "lampFailure", "value": None}
    assert "(– W)" in TEXTS.render("alert.lampFailure.fired", params, locale="en")


def test_an_unknown_locale_reads_chinese_and_an_unknown_key_itself() -> None:
    texts = Texts({"zh": {"alert.fired": "{subject} 报警"}, "en": {"alert.fired": "{subject} fired"}})
    assert texts.render("alert.x.fired", {"subject": "A"}, locale="fr") == "A 报警"
    assert texts.render("alert.x.lost", {}, locale="en") == "alert.x.lost"


def test_braces_in_a_name_are_only_characters() -> None:
    assert "{0}" in TEXTS.render("alert.sosPressed.fired", {"subject": "{0}"}, locale="en")
