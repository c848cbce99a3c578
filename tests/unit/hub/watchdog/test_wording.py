import pytest

from hub.watchdog.vigil import Notice, Occasion, Trouble
from hub.watchdog.wording import text_of, title_of


@pytest.mark.parametrize("occasion", Occasion)
def test_every_occasion_names_the_installation_and_speaks_both_languages(occasion: Occasion) -> None:
    title = title_of(Notice(occasion, (), 0, 0, ""), name="邻里一号")
    assert title.startswith("邻里一号: ")
    assert " | " in title


def test_a_notice_says_what_since_when_and_what_the_hub_says() -> None:
    notice = Notice(Occasion.BEGUN, (Trouble.HUB_UNWELL, Trouble.CHAIN_SILENT), 0, 47_000, "broker: away")
    text = text_of(notice)
    assert "中枢报告有部分失效；测试求助没有走完全程" in text
    assert "since 1970-01-01T00:00:00.000Z, 47 s (broker: away)" in text


def test_the_end_says_how_long_it_took() -> None:
    assert "well again after 90 s" in text_of(Notice(Occasion.OVER, (), 0, 90_000, ""))
