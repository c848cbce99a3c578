"""The sender of test presses against a hub over a bad network: it always gets one through again, never a false one."""

from hypothesis import given
from hypothesis import strategies as st

from hub.watchdog.prober import (
    BeginEpoch,
    Connected,
    Lost,
    Passed,
    Press,
    Prober,
    SayHello,
    Through,
    begun,
    ref_of,
    step,
)
from protocols.ack import Ack, SosReceipt, SosStage
from protocols.envelope import SCHEMA
from protocols.lanes import Lane

DEEDS = st.lists(
    st.sampled_from(["pass", "drop up", "drop down", "lose", "connect", "restart", "hub restored", "handle", "stuck"]),
    max_size=120,
)


class Model:
    """A hub that keeps the contract, and the network between; `deed` says what goes wrong in a step."""

    def __init__(self) -> None:
        self.prober = Prober(5_000, "0" * 16)
        self.at_ms = 0
        self.epochs = 0
        self.lanes: dict[str, int] = {}
        self.older: dict[str, int] = {}
        self.last: tuple[str, int, bool] | None = None
        """The last test press: its epoch, its seq, whether the outbox handled it."""
        self.through: list[tuple[str, int]] = []

    def play(self, deed: str) -> None:
        self.at_ms += 700
        if deed == "lose":
            self.take(Lost(), deed)
        elif deed == "connect":
            self.take(Connected(), deed)
        elif deed == "restart":  # what is kept is the epoch and the seq to come
            self.prober = Prober(5_000, self.prober.epoch, self.prober.next)
        elif deed == "hub restored":
            self.lanes, self.last = dict(self.older), None
        elif deed == "handle" and self.last is not None:
            self.last = (*self.last[:2], True)
            self.answer(deed, uptime_ms=None)
        else:
            self.take(Passed(), deed)

    def take(self, told: Connected | Lost | Passed | Ack, deed: str) -> None:
        self.prober, effects = step(self.prober, told, at_ms=self.at_ms)
        for effect in effects:
            match effect:
                case BeginEpoch():
                    self.epochs += 1
                    self.prober = begun(self.prober, f"{self.epochs:016x}")
                case Through(seq=seq):
                    assert self.last == (self.prober.epoch, seq, True), "said to be through, and is not"
                    self.through.append((self.prober.epoch, seq))
                case SayHello() | Press() if deed == "drop up":
                    pass
                case SayHello():
                    self.answer(deed, uptime_ms=1)
                case Press(seq=seq):
                    self.older = dict(self.lanes)
                    hw = self.lanes.get(self.prober.epoch, 0)
                    if seq == hw + 1:
                        self.lanes[self.prober.epoch] = seq
                        self.last = (self.prober.epoch, seq, deed != "stuck")
                    self.answer(deed, uptime_ms=None)

    def answer(self, deed: str, *, uptime_ms: int | None) -> None:
        if deed == "drop down" or not self.prober.connected:
            return
        receipts: list[SosReceipt] = []
        if self.last is not None:
            epoch, seq, handled = self.last
            stage = SosStage.NOTIFIED if handled else SosStage.RECEIVED
            receipts.append(SosReceipt(ref=ref_of(epoch, seq), seq=seq, stage=stage))
        ack = Ack(
            schema_version=SCHEMA,
            lane=Lane.SOS,
            epoch=self.prober.epoch,
            hw=self.lanes.get(self.prober.epoch, 0),
            hub_id="hub",
            hub_gen="gen",
            hub_time="",
            uptime_ms=uptime_ms,
            sos=receipts,
        )
        self.take(ack, deed)


@given(DEEDS)
def test_a_press_comes_through_again_once_the_way_is_well_and_only_what_was_handled_counts(deeds: list[str]) -> None:
    model = Model()
    for deed in deeds:
        model.play(deed)
    before = len(model.through)
    model.play("lose")
    model.play("connect")
    for _ in range(60):
        model.play("pass")
        if model.last is not None and not model.last[2]:
            model.play("handle")
    assert len(model.through) > before
    assert len(set(model.through)) == len(model.through)
