from dataclasses import dataclass, field

import pytest

from hub.watchdog.vigil import (
    ChainAnswered,
    Episode,
    HubAnswered,
    HubMissed,
    Looked,
    Notice,
    Observation,
    Occasion,
    Patience,
    Trouble,
    Vigil,
    begin,
    observe,
)

START_MS = 1_795_000_000_000
PATIENCE = Patience(silent_ms=45_000, repeat_ms=900_000)


@dataclass(slots=True)
class Watch:
    """A watchdog's life in seconds: it looks twice a second, asks the hub every 5 s, presses every 30 s."""

    patience: Patience = PATIENCE
    state: Vigil = field(default_factory=lambda: begin(at_ms=START_MS))
    second: float = 0
    pressed: float = 0
    told: list[tuple[float, Occasion, tuple[Trouble, ...]]] = field(
        default_factory=list[tuple[float, Occasion, tuple[Trouble, ...]]]
    )
    notices: list[Notice] = field(default_factory=list[Notice])

    def live(self, until: float, *, hub: str = "well", chain: bool = True) -> None:
        while self.second < until:
            self.second += 0.5
            if self.second % 5 == 0:
                answers = {"well": HubAnswered(well=True), "unwell": HubAnswered(well=False, detail="broker: away")}
                self.see(answers.get(hub, HubMissed("no answer")))
            if chain and self.second - self.pressed >= 30:  # an unanswered press is sent until it is through
                self.pressed = self.second
                self.see(ChainAnswered())
            self.see(Looked())

    def see(self, observation: Observation) -> None:
        at_ms = START_MS + int(self.second * 1_000)
        self.state, notices = observe(self.patience, self.state, observation, at_ms=at_ms)
        self.told += [(self.second, notice.occasion, notice.troubles) for notice in notices]
        self.notices += notices

    def restart(self, *, down_s: float) -> None:
        self.second += down_s
        self.state = begin(at_ms=START_MS + int(self.second * 1_000), episode=self.state.episode)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_while_all_is_well_nobody_is_told_anything(watch: Watch) -> None:
    watch.live(86_400)
    assert watch.told == []


def test_a_silent_hub_is_told_once_within_a_minute_and_its_silent_chain_is_no_second_message(watch: Watch) -> None:
    watch.live(100)
    watch.live(900, hub="silent", chain=False)
    assert [(occasion, troubles[0]) for _, occasion, troubles in watch.told] == [(Occasion.BEGUN, Trouble.HUB_SILENT)]
    assert 30 <= watch.told[0][0] - 100 <= 46


@pytest.mark.parametrize("fails_at", [120.0, 120.5, 134.0, 149.5])
def test_a_broken_chain_is_told_within_a_minute_wherever_between_two_presses_it_breaks(
    watch: Watch, fails_at: float
) -> None:
    watch.live(fails_at)
    watch.live(fails_at + 100, chain=False)
    assert [(occasion, troubles) for _, occasion, troubles in watch.told] == [(Occasion.BEGUN, (Trouble.CHAIN_SILENT,))]
    assert watch.told[0][0] - fails_at >= 15  # one press may be lost
    assert watch.told[0][0] - fails_at <= 46


def test_a_hub_that_says_that_a_part_fails_is_told_with_the_part(watch: Watch) -> None:
    watch.live(100)
    watch.live(200, hub="unwell")
    (notice,) = watch.notices
    assert (notice.occasion, notice.troubles, notice.detail) == (Occasion.BEGUN, (Trouble.HUB_UNWELL,), "broker: away")


def test_a_short_hiccup_is_not_told(watch: Watch) -> None:
    watch.live(100)
    watch.live(130, hub="silent", chain=False)
    watch.live(300)
    assert watch.told == []


def test_it_is_told_again_every_quarter_of_an_hour_and_once_when_it_is_over(watch: Watch) -> None:
    watch.live(100)
    watch.live(2_100, hub="silent", chain=False)
    watch.live(2_200)
    occasions = [occasion for _, occasion, _ in watch.told]
    assert occasions == [Occasion.BEGUN, Occasion.LASTS, Occasion.LASTS, Occasion.OVER]
    begun, again, once_more, over = (second for second, _, _ in watch.told)
    assert again - begun == once_more - again == 900
    assert 2_100 < over <= 2_130  # a press has to come through first


def test_a_hub_that_falls_silent_beside_a_broken_chain_is_worse_but_not_within_a_minute(watch: Watch) -> None:
    watch.live(120)
    watch.live(180, chain=False)
    watch.live(400, hub="silent", chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN, Occasion.WORSE]
    begun, worse = (second for second, _, _ in watch.told)
    assert worse - begun >= 60


def test_a_restart_in_the_middle_neither_repeats_nor_forgets(watch: Watch) -> None:
    watch.live(100)
    watch.live(200, hub="silent", chain=False)
    watch.restart(down_s=20)
    watch.live(600, hub="silent", chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN]
    watch.live(1_100, hub="silent", chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN, Occasion.LASTS]
    watch.restart(down_s=1)
    watch.live(1_200)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN, Occasion.LASTS, Occasion.OVER]
    assert watch.notices[-1].since_ms == watch.notices[0].since_ms


def test_a_watchdog_that_starts_after_the_hub_died_tells_of_it(watch: Watch) -> None:
    watch.live(100, hub="silent", chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN]


def test_what_was_over_while_the_watchdog_was_away_is_told_as_over_only_when_it_is_known(watch: Watch) -> None:
    watch.live(100)
    watch.live(200, hub="silent", chain=False)
    watch.restart(down_s=300)
    watch.live(520, chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN]
    watch.live(600)
    assert [occasion for _, occasion, _ in watch.told][1:] == [Occasion.OVER]


def test_while_the_watchdog_itself_stood_still_nobody_was_silent(watch: Watch) -> None:
    watch.live(100)
    watch.second += 3_600
    watch.live(watch.second + 200)
    assert watch.told == []


def test_its_own_pause_does_not_hide_a_silence_that_goes_on(watch: Watch) -> None:
    watch.live(100)
    watch.second += 3_600
    woken = watch.second
    watch.live(woken + 60, hub="silent", chain=False)
    assert [occasion for _, occasion, _ in watch.told] == [Occasion.BEGUN]


def test_a_clock_that_was_set_back_over_a_restart_delays_no_repeat(watch: Watch) -> None:
    future = Episode(begun_ms=START_MS + 10**9, told_ms=START_MS + 10**9, weight=2)
    watch.state = begin(at_ms=START_MS, episode=future)
    watch.live(1_000, hub="silent", chain=False)
    assert [(second, occasion) for second, occasion, _ in watch.told] == [(900, Occasion.LASTS)]


def test_without_test_presses_their_silence_is_none(watch: Watch) -> None:
    watch.patience = Patience(silent_ms=45_000, repeat_ms=900_000, chain=False)
    watch.live(300, chain=False)
    assert watch.told == []
