"""Pure data: what LED and buzzer do at each stage of a call, so that a person can tell the stages by eye or by ear."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, cycle
from typing import Final

from edge.drivers.driver import Stage


@dataclass(frozen=True, slots=True)
class Step:
    """LED and buzzer on or off for `for_s` seconds."""

    led: bool
    buzzer: bool
    for_s: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """`intro` is played once, then `loop` until the next stage; without a loop the `rest` state stays."""

    intro: tuple[Step, ...] = ()
    loop: tuple[Step, ...] = ()
    rest_led: bool = False

    def steps(self) -> Iterator[Step]:
        """The steps in order, for ever when there is a loop."""
        return chain(self.intro, cycle(self.loop))


def _beeps(count: int, for_s: float) -> tuple[Step, ...]:
    beep = (Step(led=True, buzzer=True, for_s=for_s), Step(led=False, buzzer=False, for_s=0.15))
    return beep * count


def _silent(*led: tuple[bool, float]) -> tuple[Step, ...]:
    return tuple(Step(led=on, buzzer=False, for_s=for_s) for on, for_s in led)


PATTERNS: Final[Mapping[Stage, Pattern]] = {
    # One short beep, then one slow blink a second: kept here, on its way out.
    Stage.STORED: Pattern(intro=_beeps(1, 0.1), loop=_silent((True, 0.2), (False, 0.8))),
    # Two short beeps, then a double blink a second: the hub has it.
    Stage.SENT: Pattern(intro=_beeps(2, 0.1), loop=_silent((True, 0.15), (False, 0.2), (True, 0.15), (False, 0.9))),
    # One long beep, then steady light: a person has it.
    Stage.HEARD: Pattern(intro=_beeps(1, 0.8), rest_led=True),
    # Two long beeps, then steady light with a wink every two seconds: somebody is coming.
    Stage.ON_THE_WAY: Pattern(intro=_beeps(2, 0.8), loop=_silent((True, 1.8), (False, 0.2))),
    # The local siren: light and sound together until something else is shown. Below 3 flashes a second on purpose.
    Stage.FAILED: Pattern(loop=(Step(led=True, buzzer=True, for_s=0.25), Step(led=False, buzzer=False, for_s=0.25))),
    Stage.CLEARED: Pattern(),
    # Steady and silent: a full bin or a dark lamp wants to be seen, not heard.
    Stage.ALERT: Pattern(rest_led=True),
}
