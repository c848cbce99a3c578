"""How many messages a service takes: a token bucket of which one instant is kept, so that it outlives a crash; pure.

No more than `per_minute` messages leave in any 60 s, whatever happens: a token is taken, and kept as taken, before the
message is sent. A part of the bucket is left to what asks for help.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MINUTE_MS: Final = 60_000
LONGEST_AHEAD_MS: Final = MINUTE_MS + 5_000
"""No bucket takes longer than a minute to be full again; the rest is how far two hubs' clocks may differ."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a service bears: messages a minute, and bytes of UTF-8 in one message."""

    per_minute: int
    room_bytes: int


ROBOT_PER_MINUTE: Final = 18
"""Robots of DingTalk and WeCom take 20 a minute, and DingTalk's is mute for 10 minutes above it: two are left over."""
ANY: Final = Service(ROBOT_PER_MINUTE, 1_900)
"""A service of which we know nothing: the figures of the strictest that we know."""
SERVICES: Final[Mapping[str, Service]] = {
    "wecombot": Service(ROBOT_PER_MINUTE, 2_000),  # a text of 2 048 bytes; a Chinese character has three
    "dingtalk": Service(ROBOT_PER_MINUTE, 18_000),  # 20 000 bytes
    "feishu": Service(60, 18_000),  # 100 a minute, 20 kB
    "lark": Service(60, 18_000),
    "tgram": Service(ROBOT_PER_MINUTE, 3_900),  # 20 a minute to a group, 4 096 characters
    "discord": Service(25, 1_900),  # 30 a minute to a webhook, 2 000 characters
    "slack": Service(50, 3_000),  # one a second
    "schan": Service(5, 3_000),
    "pushplus": Service(5, 3_000),
    **{scheme: Service(ROBOT_PER_MINUTE, 30_000) for scheme in ("mailto", "mailtos")},
    **{scheme: Service(120, 30_000) for scheme in ("json", "jsons", "xml", "xmls", "form", "forms")},
}
"""By the scheme of the address; vendors' figures beside ours, which stay under them."""


def service_of(scheme: str) -> Service:
    """Return what the service of a scheme bears."""
    return SERVICES.get(scheme, ANY)


@dataclass(frozen=True, slots=True)
class Pace:
    """The bucket of one address: `burst` tokens, one more every `interval_ms`; together `per_minute` in any minute."""

    per_minute: int

    @property
    def burst(self) -> int:
        """The tokens of a full bucket."""
        return max(1, self.per_minute * 2 // 5)

    @property
    def reserve(self) -> int:
        """The tokens that only what asks for help may take."""
        return self.burst // 2

    @property
    def interval_ms(self) -> int:
        """How long a token takes to come back."""
        return -(-MINUTE_MS // (self.per_minute - self.burst + 1))


@dataclass(frozen=True, slots=True)
class Taken:
    """A token was taken: keep `spent_until_ms`, then send."""

    spent_until_ms: int


@dataclass(frozen=True, slots=True)
class Wait:
    """There is no token: one can be taken at `ready_ms`."""

    ready_ms: int


def take(pace: Pace, spent_until_ms: int, *, life_safety: bool, at_ms: int) -> Taken | Wait:
    """Take a token at `at_ms` of a bucket that is full again at `spent_until_ms`.

    A clock that was set back finds one token, for what was taken by the clock of before is not known.
    """
    whole_ms = pace.burst * pace.interval_ms
    usable_ms = whole_ms - (0 if life_safety else pace.reserve * pace.interval_ms)
    if spent_until_ms > at_ms + LONGEST_AHEAD_MS:
        spent_until_ms = at_ms + usable_ms - pace.interval_ms
    spent_ms = min(max(spent_until_ms, at_ms), at_ms + whole_ms) + pace.interval_ms
    if spent_ms - at_ms <= usable_ms:
        return Taken(spent_ms)
    return Wait(spent_ms - usable_ms)
