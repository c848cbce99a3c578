"""Pure: what a text message says about a call for help; Chinese first, then English."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge.sms.pdu import UNITS_JOINED, units
from protocols.events import EventName

LONGEST_UNITS: Final = 4 * UNITS_JOINED
"""UTF-16 units that fit into four messages joined by the phone; what is longer loses the end of its English."""
_LONGEST_LABEL: Final = 40
_LONGEST_REF: Final = 48
_SHOWN_DIGITS: Final = 3
_WORDS: Final = {
    EventName.SOS_PRESSED.value: ("按下了求助键", "pressed SOS"),
    EventName.FALL_DETECTED.value: ("可能跌倒", "may have fallen"),
}
_ANY: Final = ("求助", "calls for help")


@dataclass(frozen=True, slots=True)
class Told:
    """What texts say of this node: its site, its own name, what its devices are called, and the time on the spot."""

    site: str
    node: str
    labels: Mapping[str, str]
    local: Callable[[datetime], datetime]


def text_of(told: Told, *, device: str, event: str, ref: str, at: datetime, is_sure: bool) -> str:
    """Return the text about a call; `is_sure` says that the time can be trusted."""
    who = told.labels.get(device, device)[:_LONGEST_LABEL]
    here = told.local(at)
    zone = f"UTC{here:%z}"
    chinese, english = _WORDS.get(event, _ANY)
    unsure_zh, unsure_en = ("", "") if is_sure else ("（时钟未校准）", " (clock not set)")
    text = (
        f"【求助】{told.site} {who} {chinese}，{here:%m-%d %H:%M:%S} {zone}{unsure_zh}。"
        f"中心尚未确认收到，请马上前往；中心稍后可能重复通知。编号 {_short(ref)}\n"
        f"SOS {told.site}/{told.node} {who}: {english}{unsure_en}. No hub has confirmed it yet; it may be told again."
    )
    while units(text) > LONGEST_UNITS:
        text = text[:-1]
    return text


def masked(number: str) -> str:
    """The end of a number: enough to tell it from the others in a log that is sent around."""
    return f"…{number[-_SHOWN_DIGITS:]}"


def _short(ref: str) -> str:
    return ref if len(ref) <= _LONGEST_REF else f"…{ref[1 - _LONGEST_REF :]}"
