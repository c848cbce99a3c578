from hub.pulse import Pulse, stuck


def test_a_loop_at_rest_may_wait_as_long_as_it_likes() -> None:
    pulse = Pulse()
    assert pulse.age_s == 0
    assert stuck({"ingest-sos": pulse}, after_s=0) is None


def test_a_step_that_does_not_end_hangs_and_one_that_ended_does_not() -> None:
    hanging, ended = Pulse(), Pulse()
    for pulse in (hanging, ended):
        pulse.step()
    ended.rest()
    assert stuck({"sweep": hanging, "gate": ended}, after_s=-1) == "no progress: sweep 0 s, gate 0 s"
    assert stuck({"sweep": hanging, "gate": ended}, after_s=0) == "no progress: sweep 0 s"
    assert stuck({"sweep": hanging, "gate": ended}) is None
