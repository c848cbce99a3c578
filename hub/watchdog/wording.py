"""How the watchdog says it, in Chinese and in English; pure."""

from typing import Final

from hub.watchdog.vigil import Notice, Occasion, Trouble
from protocols.instant import format_ms

_ZH: Final = {
    Trouble.HUB_SILENT: "中枢没有应答",
    Trouble.HUB_UNWELL: "中枢报告有部分失效",
    Trouble.CHAIN_SILENT: "测试求助没有走完全程：真正的求助也可能到不了",
}
_EN: Final = {
    Trouble.HUB_SILENT: "the hub does not answer",
    Trouble.HUB_UNWELL: "the hub says that a part of it fails",
    Trouble.CHAIN_SILENT: "test presses do not come through: a real SOS may not either",
}
_TITLES: Final = {
    Occasion.BEGUN: "求助通道告警 | SOS path in trouble",
    Occasion.WORSE: "求助通道告警加重 | SOS path in worse trouble",
    Occasion.LASTS: "求助通道仍然告警 | SOS path still in trouble",
    Occasion.OVER: "求助通道恢复 | SOS path well again",
}


def title_of(notice: Notice, *, name: str) -> str:
    """Return the title of a notice about the installation `name`."""
    return f"{name}: {_TITLES[notice.occasion]}"


def text_of(notice: Notice) -> str:
    """Return its text: what, since when, and what the hub says."""
    since, seconds = format_ms(notice.since_ms), (notice.at_ms - notice.since_ms) // 1_000
    if notice.occasion is Occasion.OVER:
        return f"{format_ms(notice.at_ms)}: 已恢复，中断 {seconds} 秒 | well again after {seconds} s, since {since}"
    zh = "；".join(_ZH[trouble] for trouble in notice.troubles)
    en = "; ".join(_EN[trouble] for trouble in notice.troubles)
    detail = f" ({notice.detail})" if notice.detail else ""
    return f"{zh}，自 {since} 已 {seconds} 秒 | {en}, since {since}, {seconds} s{detail}"
