from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.driver import Fault, FaultReason, Measurement
from edge.drivers.script import BadScript, parse_script

rows = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100)), min_size=1, max_size=20).map(
    lambda drawn: sorted(drawn, key=lambda row: row[0])
)


@given(rows, st.floats(0, 3000), st.booleans())
def test_the_sample_is_that_of_the_last_row_that_has_begun(
    drawn: list[tuple[int, int]], elapsed_s: float, repeat: bool
) -> None:
    text = "after_s,fill_percent\n" + "".join(f"{after_s},{level}\n" for after_s, level in drawn)
    period_s = drawn[-1][0] + 1.0
    sample = parse_script(text, kind="fill_level", repeat_after_s=period_s if repeat else None).sample_at(elapsed_s)
    within_s = elapsed_s % period_s if repeat else elapsed_s
    begun = [level for after_s, level in drawn if after_s <= within_s]
    if begun:
        assert sample == Measurement({"fill_percent": begun[-1]}, 100)
    else:
        assert isinstance(sample, Fault)
        assert sample.reason is FaultReason.NO_DATA


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200) | st.text('0,1.\n"afters_flp', max_size=100))
def test_any_text_is_a_script_or_a_bad_script(text: str) -> None:
    for candidate in (text, f"after_s,fill_percent,event\n{text}"):
        try:
            script = parse_script(candidate, kind="fill_level")
        except BadScript:
            continue
        assert script.samples or script.events
