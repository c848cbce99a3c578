"""wire.md §3: contiguity, holes, gaps, epochs, acknowledgements, conservation."""

import hashlib
import time

import pytest

from tests.acceptance.outside.client_node import OMIT, Node
from tests.acceptance.outside.client_rest import instant, metric
from tests.acceptance.outside.neighbourhood import Neighbourhood


def fills(client: Node, device: str, *percents: float) -> list[dict[str, object]]:
    """Fill levels a second apart, the last one now, none of them near the alert."""
    count = len(percents)
    return [client.fill(device, percent, ago_s=count - n) for n, percent in enumerate(percents)]


def test_a_hello_of_an_unknown_epoch_is_answered_with_hw_0_and_echoes_the_uptime(site: Neighbourhood) -> None:
    client = site.online()
    for lane in ("sos", "event", "telemetry"):
        ack = client.hello(lane)
        assert (ack["schema"], ack["lane"], ack["epoch"], ack["hw"]) == (1, lane, client.epoch, 0)
        assert ack["hub_id"]
        assert ack["hub_gen"]
        assert abs(time.time() - instant(ack["hub_time"]).timestamp()) < 5


def test_hub_id_and_generation_are_the_same_for_every_node(site: Neighbourhood) -> None:
    first, second = site.online().hello("event"), site.online("pi-2").hello("telemetry")
    assert (first["hub_id"], first["hub_gen"]) == (second["hub_id"], second["hub_gen"])


def test_records_are_acknowledged_cumulatively_and_only_the_answer_to_a_hello_carries_uptime(
    site: Neighbourhood,
) -> None:
    client = site.online()
    _, device = site.bin()
    client.hello("telemetry", 4)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, fills(client, device, 10, 11))
    client.send("telemetry", 3, fills(client, device, 12))
    ack = client.wait_ack("telemetry", 3, since=mark)
    assert ack["hw"] == 3
    assert "uptime_ms" not in ack
    row = site.lane(client, "telemetry")
    assert (row["high_water"], row["stored"], row["produced"]) == (3, 3, 3)


def test_lanes_of_one_epoch_have_their_own_seqs(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", *fills(client, device, 1, 2, 3))
    client.deliver("event", client.event(device, "lid_opened", "lid-1"))
    assert client.hello("telemetry")["hw"] == 3
    assert client.hello("event")["hw"] == 1
    assert client.hello("sos")["hw"] == 0


def test_what_lies_behind_a_hole_at_the_start_of_an_epoch_is_not_taken(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.hello("telemetry", 4)
    mark = client.mark("telemetry")
    records = fills(client, device, 10, 11, 12)
    client.send("telemetry", 2, records[1:])
    repeated = client.wait_ack("telemetry", 0, since=mark)
    assert repeated["hw"] == 0
    client.send("telemetry", 1, records[:1])
    client.send("telemetry", 2, records[1:])
    client.wait_ack("telemetry", 3, since=mark)
    assert site.lane(client, "telemetry")["stored"] == 3
    assert len(site.wait_points(facility, "fill_percent", 3)) == 3


def test_a_hole_in_the_middle_repeats_the_ack_until_it_is_filled(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    records = fills(client, device, 10, 11, 12, 13)
    client.deliver("telemetry", *records[:2])
    mark = client.mark("telemetry")
    client.send("telemetry", 4, records[3:])
    assert client.wait_ack("telemetry", 0, since=mark)["hw"] == 2
    client.send("telemetry", 3, records[2:])
    assert client.wait_ack("telemetry", 4, since=mark)["hw"] == 4
    row = site.lane(client, "telemetry")
    assert (row["stored"], row["quarantined"], row["gaps"]) == (4, 0, 0)
    assert [point["value"] for point in site.wait_points(facility, "fill_percent", 4)] == [10, 11, 12, 13]


def test_the_ack_before_a_hole_is_repeated_at_most_every_fifth_of_a_second(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.hello("telemetry", 60)
    mark, began_s = client.mark("telemetry"), time.monotonic()
    for seq in range(10, 50):
        client.send("telemetry", seq, fills(client, device, 10))
        time.sleep(0.02)
    client.wait_ack("telemetry", 0, since=mark)
    time.sleep(0.3)
    took_s = time.monotonic() - began_s
    count = len(client.acks("telemetry", since=mark))
    assert 1 <= count <= took_s / 0.2 + 1, f"{count} acks in {took_s:.2f} s"


def test_duplicates_are_skipped_counted_and_the_first_content_stands(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    at = client.stamp()
    client.deliver("telemetry", client.fill(device, 10, **at))
    before = metric(site.admin.base_url, "linli_records_duplicate_total", lane="telemetry")
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [client.fill(device, 55, **at), client.fill(device, 12)])
    assert client.wait_ack("telemetry", 2, since=mark)["hw"] == 2
    row = site.lane(client, "telemetry")
    assert (row["stored"], row["duplicates"]) == (2, 1)
    assert metric(site.admin.base_url, "linli_records_duplicate_total", lane="telemetry") >= before + 1
    assert [point["value"] for point in site.wait_points(facility, "fill_percent", 2)] == [10, 12]


def test_a_whole_message_sent_again_is_acknowledged_again(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    records = fills(client, device, 10, 11)
    client.deliver("telemetry", *records)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, records)
    assert client.wait_ack("telemetry", 2, since=mark)["hw"] == 2
    assert site.lane(client, "telemetry")["duplicates"] == 2
    assert len(site.wait_points(facility, "fill_percent", 2)) == 2


def test_hello_declares_nothing_lost(site: Neighbourhood) -> None:
    client = site.online()
    assert client.hello("telemetry", 101, min_retained=51)["hw"] == 0
    row = site.lane(client, "telemetry")
    assert (row["high_water"], row["gaps"], row["stored"]) == (0, 0, 0)


@pytest.mark.parametrize("reason", ["evicted", "thinned", "refused", "corrupt"])
def test_a_gap_record_takes_its_seqs_and_is_shown(site: Neighbourhood, reason: str) -> None:
    client = site.online()
    _, device = site.bin()
    before = metric(site.admin.base_url, "linli_records_gap_total", lane="telemetry", reason=reason)
    ack = client.deliver("telemetry", client.fill(device, 10, ago_s=1), client.gap(5, reason), client.fill(device, 11))
    assert ack["hw"] == 6
    row = site.lane(client, "telemetry")
    assert (row["stored"], row["gaps"], row["produced"]) == (2, 4, 6)
    (gap,) = site.admin.items(f"nodes/{site.id('pi-1')}/gaps")
    assert (gap["epoch"], gap["lane"], gap["from"], gap["to"], gap["reason"]) == (
        client.epoch,
        "telemetry",
        2,
        5,
        reason,
    )
    instant(gap["recorded_at"])
    assert metric(site.admin.base_url, "linli_records_gap_total", lane="telemetry", reason=reason) == before + 4
    assert site.incident("gap")["node"] in ("pi-1", site.id("pi-1"))


def test_of_a_gap_counts_only_what_lies_above_hw(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", *fills(client, device, 10, 11, 12))
    client.hello("telemetry", 7)
    mark = client.mark("telemetry")
    client.send("telemetry", 2, [client.gap(6)])
    assert client.wait_ack("telemetry", 6, since=mark)["hw"] == 6
    row = site.lane(client, "telemetry")
    assert (row["stored"], row["gaps"]) == (3, 3)
    (gap,) = site.admin.items(f"nodes/{site.id('pi-1')}/gaps")
    assert (gap["from"], gap["to"]) == (4, 6)


def test_a_gap_sent_again_counts_once(site: Neighbourhood) -> None:
    client = site.online()
    client.hello("telemetry", 6)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [client.gap(5)])
    client.wait_ack("telemetry", 5, since=mark)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [client.gap(5)])
    client.wait_ack("telemetry", 5, since=mark)
    assert site.lane(client, "telemetry")["gaps"] == 5
    assert len(site.admin.items(f"nodes/{site.id('pi-1')}/gaps")) == 1


def test_a_gap_that_reaches_hellos_next_is_refused_as_a_hole(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.hello("telemetry", 5)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [client.fill(device, 10), client.gap(5)])
    assert client.wait_ack("telemetry", 1, since=mark)["hw"] == 1
    time.sleep(0.3)
    assert site.lane(client, "telemetry")["gaps"] == 0
    mark = client.mark("telemetry")
    client.hello("telemetry", 6)
    client.send("telemetry", 2, [client.gap(5)])
    assert client.wait_ack("telemetry", 5, since=mark)["hw"] == 5
    assert site.lane(client, "telemetry")["gaps"] == 4


def test_a_gap_that_ends_before_its_own_place_is_schema_invalid(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.hello("telemetry", 4)
    mark = client.mark("telemetry")
    client.send("telemetry", 1, [*fills(client, device, 10, 11), client.gap(2)])
    assert client.wait_ack("telemetry", 3, since=mark)["hw"] == 3
    row = site.quarantined("schema_invalid")
    assert row["seq"] == 3
    assert site.lane(client, "telemetry")["quarantined"] == 1


def test_a_new_epoch_closes_the_old_one_with_its_loss_and_an_incident(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", *fills(client, device, 10, 11, 12, 13))
    client.hello("telemetry", 11)
    old = client.new_epoch()
    client.hello("telemetry", 1, new_epoch_because="outbox lost")
    row = site.lane(client, "telemetry", epoch=old)
    assert (row["high_water"], row["produced"], row["loss"]) == (4, 10, 6)
    instant(row["closed_at"])
    current = site.lane(client, "telemetry")
    assert current.get("closed_at") is None
    site.admin.wait(
        lambda: any(
            item["node"] in ("pi-1", site.id("pi-1")) and 6 in item["details"].values()
            for item in site.admin.items("incidents", site=site.slug)
        ),
        what="an incident that tells the loss",
    )
    client.deliver("telemetry", client.fill(device, 14))
    assert client.hello("telemetry")["hw"] == 1


def test_rows_of_the_old_epoch_that_can_be_read_drain_under_it(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    old_records = fills(client, device, 10, 11, 12, 13)
    client.hello("telemetry", 5)
    client.send("telemetry", 1, old_records[:1])
    client.wait_ack("telemetry", 1)
    old = client.new_epoch()
    client.hello("telemetry", 1, new_epoch_because="machine changed")
    assert site.lane(client, "telemetry", epoch=old)["loss"] == 3
    client.send("telemetry", 2, old_records[1:], epoch=old)
    client.wait_ack("telemetry", 4, epoch=old)
    row = site.lane(client, "telemetry", epoch=old)
    assert (row["high_water"], row["stored"], row["loss"]) == (4, 4, 0)
    client.deliver("telemetry", client.fill(device, 20))
    assert len(site.wait_points(facility, "fill_percent", 5)) == 5


def test_a_closed_epoch_that_says_hello_is_answered_with_its_own_hw_and_stays_closed(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", *fills(client, device, 10, 11))
    old = client.new_epoch()
    client.hello("telemetry", 1, new_epoch_because="outbox lost")
    assert client.hello("telemetry", 3, epoch=old)["hw"] == 2
    assert site.lane(client, "telemetry", epoch=old)["closed_at"]
    assert site.lane(client, "telemetry").get("closed_at") is None


def test_two_boots_that_alternate_in_one_epoch_are_an_incident(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    one, two = client.boot, type(client.boot)()
    for boot in (one, two, one, two, one):
        client.boot = boot
        client.deliver("telemetry", client.fill(device, 10))
        client.hello("telemetry")
    incident = site.incident("cloned")
    assert incident["node"] in ("pi-1", site.id("pi-1"))


def test_an_ordinary_reboot_is_no_clone(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    for _ in range(3):
        client.deliver("telemetry", client.fill(device, 10))
        client.hello("telemetry")
        client.reboot()
    client.deliver("telemetry", client.fill(device, 10))
    assert [item for item in site.admin.items("incidents", site=site.slug) if item["kind"] == "cloned"] == []


def test_an_undecodable_message_is_refused_with_its_hash_and_moves_nothing(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 10, ago_s=1))
    mark = client.mark("telemetry")
    payload = client.send_raw("telemetry", b'{"schema": 1, "epoch": "')
    refusal = client.refusal("telemetry", since=mark)
    assert refusal is not None
    assert refusal["lane"] == "telemetry"
    assert refusal["refused"] == "malformed_json"
    assert refusal["hash"] == hashlib.sha256(payload).hexdigest()
    assert client.hello("telemetry")["hw"] == 1
    client.deliver("telemetry", client.fill(device, 11))


def test_a_payload_that_names_another_lane_moves_no_other_lane(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("event", client.event(device, "lid_opened", "lid-1"))
    client.say_hello("telemetry", 400, lane="event")
    client.send("telemetry", 1, [client.fill(device, 10)], lane="event", node="pi-2", site="elsewhere")
    assert client.hello("event")["hw"] == 1
    assert site.lane(client, "event")["produced"] == 1
    client.hello("telemetry", 2)
    client.send("telemetry", 1, [client.fill(device, 10)])
    client.wait_ack("telemetry", 1)


def test_unknown_fields_are_ignored_everywhere(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.hello("telemetry", colour="green", extra={"deep": [1, 2]})
    record = client.reading(device, "fill_level", {"fill_percent": 33, "smell": 7.0}, mood="good", nested={"a": None})
    client.deliver("telemetry", record, firmware="9.9", list=[1])
    assert site.lane(client, "telemetry")["stored"] == 1
    assert [point["value"] for point in site.wait_points(facility, "fill_percent", 1)] == [33]


def test_presence_twin_and_results_are_taken_and_disturb_nothing(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    assert client.report("up/reported", {"schema": 1, "devices": {device: {"interval_s": 60}}}) < 0x80
    assert client.report("up/result", {"schema": 1, "id": "01J", "outcome": "done"}) < 0x80
    client.rest.publish(client.topic("up/status"), b"\xff not json", retain=True)
    client.rest.publish(client.topic("up/reported"), b"", retain=True)
    client.deliver("telemetry", client.fill(device, 10))
    assert client.hello("telemetry")["hw"] == 1


def test_records_may_come_without_now_and_with_extra_precision(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.hello("telemetry")
    client.deliver("telemetry", client.fill(device, 10), now=OMIT)
    client.deliver("telemetry", client.fill(device, 11, at="2026-11-21T07:59:58.000000Z"))
    assert site.lane(client, "telemetry")["stored"] == 2


def test_one_message_may_hold_many_records(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    records = [client.fill(device, n % 50, ago_s=900 - n) for n in range(900)]
    assert client.deliver("telemetry", *records)["hw"] == 900
    assert len(site.wait_points(facility, "fill_percent", 900)) == 900


def test_the_hub_forgets_nothing_it_acknowledged_when_a_node_connects_anew(site: Neighbourhood) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", *fills(client, device, 10, 11))
    client.close()
    again = Node(
        host=client.rest._host,  # noqa: SLF001 - our own client
        port=client.rest._port,  # noqa: SLF001 the client keeps it for itself
        site=site.slug,
        node="pi-1",
        password=site.credentials()["password"],
    )
    again.epoch = client.epoch
    site.nodes.append(again)
    again.connect()
    assert again.hello("telemetry", 3)["hw"] == 2
