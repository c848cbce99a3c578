"""The second path under any order of calls, answers, connections and texts: in time, never left, nobody told twice."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from edge.uplink.second_path import (
    OPEN_AFTER_MS,
    Close,
    Looked,
    Open,
    PathDown,
    PathUp,
    Plan,
    SecondPathState,
    SendCopies,
    SendText,
    TextRefused,
    TextTaken,
    Unsent,
    advance,
    start,
    wake_ms,
)

NUMBERS = ("110", "+8613800138000")
STEPS = st.sampled_from(("press", "sent", "done", "up", "down", "taken", "refused", "restart", "wait", "wait"))


@dataclass
class World:
    """A node in a time of its own: calls, what the first path has, and what the network took."""

    state: SecondPathState
    now_ms: int = 1_000
    next: int = 1
    done: int = 0
    calls: dict[str, int | None] = field(default_factory=dict[str, int | None])
    under_way: tuple[str, str] | None = None
    taken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    sends_ms: list[int] = field(default_factory=list[int])
    is_up: bool = False

    def look(self) -> None:
        unsent = tuple(Unsent(ref, since_ms) for ref, since_ms in self.calls.items())
        looked = Looked(unsent, next=self.next, all_done=self.done == self.next - 1)
        self.state, effects = advance(self.state, looked, self.now_ms)
        for effect in effects:
            match effect:
                case Open():
                    assert unsent, "nothing is overdue where nothing waits"
                case Close():
                    assert not unsent
                    assert self.done == self.next - 1
                case SendCopies():
                    assert self.is_up
                    assert self.state.opened
                    self.sends_ms.append(self.now_ms)
                case SendText(ref=ref, number=number):
                    assert self.under_way is None, "one modem, one text"
                    assert (ref, number) not in self.taken, "nobody is told twice"
                    assert ref in self.calls
                    self.under_way = (ref, number)

    def to(self, now_ms: int) -> None:
        """Let time pass, looking whenever the state wants to be told."""
        while (wake := wake_ms(self.state)) is not None and max(wake, self.now_ms) <= now_ms:
            before = self.now_ms
            self.now_ms = max(wake, self.now_ms)
            self.look()
            if self.now_ms == before and (wake_ms(self.state) or now_ms) <= self.now_ms:
                break
        self.now_ms = now_ms
        self.look()


def live(has_broker: bool, texts: bool, after_ms: int, steps: list[tuple[str, int]]) -> None:
    plan = Plan(has_broker=has_broker, numbers=NUMBERS if texts else (), text_after_ms=after_ms)
    world = World(start(plan))
    for what, wait_ms in steps:
        match what:
            case "press":
                world.calls[f"band:{world.next}"] = world.now_ms
                world.next += 1
            case "sent" if world.calls:
                del world.calls[next(iter(world.calls))]
            case "done":
                world.done = world.next - 1
            case "up" | "down":
                world.is_up = what == "up"
                given_ = PathUp() if world.is_up else PathDown()
                world.state, _ = advance(world.state, given_, world.now_ms)
            case "taken" | "refused" if world.under_way is not None:
                key, world.under_way = world.under_way, None
                answer = TextTaken(*key) if what == "taken" else TextRefused(*key)
                world.state, _ = advance(world.state, answer, world.now_ms)
                if what == "taken":
                    world.taken.append(key)
            case "restart":
                world.state, world.under_way = start(plan, taken=frozenset(world.taken)), None
                world.is_up = False
            case _:
                pass
        world.look()
        world.to(world.now_ms + wait_ms)
        overdue = [ref for ref, since_ms in world.calls.items() if world.now_ms >= (since_ms or 0) + OPEN_AFTER_MS]
        if has_broker and overdue:
            assert world.state.opened, "in time, whatever happened before"
            if world.is_up:
                assert world.sends_ms, "and something left"
                assert world.now_ms - world.sends_ms[-1] <= 2_000, "and leaves again while nobody has it"
        if texts and world.under_way is None:
            owed = {(ref, number) for ref in world.calls for number in NUMBERS} - set(world.taken)
            late = [key for key in owed if world.now_ms >= (world.calls[key[0]] or 0) + after_ms + 60_000]
            assert not late or wake_ms(world.state) is not None, "what was refused is tried again"


@given(
    st.booleans(),
    st.booleans(),
    st.sampled_from((3_000, 6_000)),
    st.lists(st.tuples(STEPS, st.integers(0, 9_000)), max_size=40),
)
def test_in_time_and_nobody_twice(has_broker: bool, texts: bool, after_ms: int, steps: list[tuple[str, int]]) -> None:
    live(has_broker, texts, after_ms, steps)
