"""Alerts and orders keep their word through crashes, in their second; hubs whose timers do not last are caught."""

from tests.chaos.timers import control, run


def test_no_promised_step_is_lost_early_or_late_whatever_happens_and_crashes() -> None:
    assert run(3).wrong == []


def test_hubs_whose_timers_or_acknowledgements_do_not_last_are_caught() -> None:
    assert control(3).missed == []
