"""The rules of `wire.md` §4 (SOS), sentence by sentence."""

from typing import Final

from tests.guarantees.wire_rule import Row, broken

LANE: Final = "hub/ingest/lane.py"
INTAKE: Final = "hub/ingest/intake.py"
PIPELINE: Final = "hub/ingest/pipeline.py"
ACKNOWLEDGEMENT: Final = "hub/ingest/acknowledgement.py"
ADMISSION: Final = "hub/ingest/admission.py"
ALERTS: Final = "hub/alerts/service.py"
LIFECYCLE: Final = "hub/alerts/lifecycle.py"
RECEIPTS: Final = "hub/alerts/receipts.py"
CALLS: Final = "edge/agent/calls.py"
LOOP: Final = "edge/agent/loop.py"
BEHIND: Final = "pipeline::test_an_sos_raises_behind_a_hole_at_once_and_once"
OLD_SOS: Final = "pipeline::test_an_old_sos_is_raised_with_its_age"
UNUSABLE_SOS: Final = "pipeline::test_an_sos_that_cannot_be_used_raises_at_its_node"
CALL: Final = "calls::test_a_call_is_shown_stored_sent_heard_on_the_way_and_cleared"

ROWS: Final[tuple[Row, ...]] = (
    broken(
        "§4",
        "every decodable record of the sos lane raises its alert on arrival, even behind a hole",
        LANE,
        "                taken.append(item)\n                continue\n            taken.append(item)\n",
        "                continue\n            taken.append(item)\n",
        BEHIND,
    ),
    broken(
        "§4",
        "... once per (site, node, epoch, lane, seq)",
        LANE,
        "            if item.seq < expected or item.seq in state.ahead:\n",
        "            if item.seq < expected:\n",
        BEHIND,
    ),
    broken(
        "§4",
        "... also after a restart of the hub",
        "hub/storage/sql/lanes.py",
        "        if new:\n            _KEEP_AHEAD.write_many(self._connection, new)\n",
        "",
        "pipeline::test_what_was_handled_behind_a_hole_is_known_after_a_restart",
    ),
    broken(
        "§4",
        "a hole delays hw",
        LANE,
        "        state.ahead[taken.seq] = outcome\n",
        "        state.high_water = taken.seq\n",
        BEHIND,
    ),
    broken(
        "§4",
        "an SOS message that cannot be decoded raises a red alert at its node",
        PIPELINE,
        "        if item.life_safety:  #",
        "        if item.life_safety and item.node is None:  #",
        "pipeline::test_an_sos_message_that_cannot_be_decoded_raises_one_alert_however_often_it_is_sent",
    ),
    broken(
        "§4",
        "... one of an unknown device or event name too",
        INTAKE,
        "            self.alarms.append(_unknown_call(work, taken, rejection))\n",
        "            pass\n",
        UNUSABLE_SOS,
    ),
    broken(
        "§4",
        "... as one of unknown source",
        INTAKE,
        "        seq=taken.seq,\n        source_unknown=True,\n",
        "        seq=taken.seq,\n        source_unknown=False,\n",
        UNUSABLE_SOS,
    ),
    broken(
        "§4",
        "... of an unknown node at the site",
        "hub/ingest/decoding.py",
        "life_safety=topic.channel is Channel.SOS)",
        "life_safety=topic.channel is Channel.SOS and node is not None)",
        "pipeline::test_an_sos_of_an_unknown_node_raises_at_its_site",
    ),
    broken(
        "§4",
        "a life-safety event in another lane raises just the same",
        ADMISSION,
        "    if name not in LIFE_SAFETY and lane is not Lane.EVENT:\n",
        "    if (name in LIFE_SAFETY) is not (lane is Lane.SOS):\n",
        "pipeline::test_a_life_safety_event_raises_in_whichever_lane_it_comes",
    ),
    broken(
        "§4",
        "any other record in the sos lane is quarantined (wrong_lane)",
        ADMISSION,
        "    if name not in LIFE_SAFETY and lane is not Lane.EVENT:\n",
        "    if name not in LIFE_SAFETY and lane is Lane.TELEMETRY:\n",
        "pipeline::test_a_record_that_cannot_be_used_is_quarantined_and_consumes_its_seq",
    ),
    broken(
        "§4",
        "the same ref merges into an alert that is open",
        ALERTS,
        "        if lifecycle.merges(alert, at_ms=at_ms) or abs(",
        "        if alert.closed_at_ms is not None or not abs(",
        "alerts::TestLifeSafety::test_the_same_press_from_another_node_is_one_alert_and_one_message",
    ),
    broken(
        "§4",
        "... or closed less than 10 min ago",
        LIFECYCLE,
        "    return alert.closed_at_ms is None or at_ms - alert.closed_at_ms < MERGE_MS\n",
        "    return alert.closed_at_ms is None\n",
        "alerts::TestLifeSafety::test_a_ref_used_again_is_the_old_press_for_ten_minutes_after_closing",
    ),
    broken(
        "§4",
        "a new press on an open alert notifies again",
        LIFECYCLE,
        "    return _stepped(replace(alert, refs=refs), AlertStep.PRESSED_AGAIN, at_ms, reason=reason)\n",
        "    return _stepped(replace(alert, refs=refs), AlertStep.COMMENTED, at_ms, reason=reason)\n",
        "alerts::TestLifeSafety::test_a_new_press_on_an_open_alert_joins_it_and_is_told",
    ),
    broken(
        "§4",
        "sos_cancelled is a message on the same alert",
        LIFECYCLE,
        'CANCELLATIONS: Final = frozenset({"sos_cancelled", "fall_cancelled"})\n',
        'CANCELLATIONS: Final = frozenset({"fall_cancelled"})\n',
        "alerts::TestLifeSafety::test_a_cancellation_is_told_and_closes_nothing",
    ),
    broken(
        "§4",
        "a person still closes it",
        LIFECYCLE,
        "    if alert.life_safety or not alert.active:\n        return None\n    resolved",
        "    if not alert.active:\n        return None\n    resolved",
        "alerts::TestLifeSafety::test_no_sensor_closes_an_sos",
    ),
    broken(
        "§4",
        "an SOS is never late",
        INTAKE,
        "        if admitted.name in LIFE_SAFETY:\n            key,",
        "        if admitted.name in LIFE_SAFETY and item.received_ms - when.at_ms <= LATE_SOS_MS:\n            key,",
        OLD_SOS,
    ),
    broken(
        "§4",
        "... never shed",
        "hub/ingest/worker.py",
        '_TELEMETRY: Final = "/up/telemetry"\n',
        '_TELEMETRY: Final = ("/up/telemetry", "/up/sos")\n',
        "worker::test_a_full_queue_sheds_telemetry_counted_and_keeps_all_else",
    ),
    broken(
        "§4",
        "... never shelved",
        LIFECYCLE,
        '    steps = tuple(step for step in steps if step != "shelve")\n',
        "    steps = tuple(steps)\n",
        "alerts::TestShelf::test_an_sos_cannot_be_shelved",
    ),
    broken(
        "§4",
        "... never kept back for quiet hours",
        "hub/notification/digest.py",
        "    if life_safety:\n        return Urgency.LIFE_SAFETY\n",
        "",
        "digest::test_an_sos_goes_to_operators_carers_and_the_crew_in_the_lane_of_life_safety",
    ),
    broken(
        "§4",
        "an old one is raised with its age",
        INTAKE,
        "        late=received_ms - when.at_ms > LATE_SOS_MS,\n",
        "        late=False,\n",
        OLD_SOS,
    ),
    broken(
        "§4",
        "the wearer sees stored once the edge has committed",
        LOOP,
        "        try:\n            self._calls.stored(moment)\n",
        "        try:\n            pass\n",
        "loop::test_a_call_is_stored_and_shown_before_its_connection_is_up",
    ),
    broken(
        "§4",
        "sent: its seq is listed in an ack's sos",
        CALLS,
        "    SosStage.RECEIVED: (CallStage.SENT,),\n",
        "    SosStage.RECEIVED: (),\n",
        CALL,
    ),
    broken(
        "§4",
        "heard: a person acknowledged",
        CALLS,
        "    SosStage.NOTIFIED: (CallStage.SENT,),\n    SosStage.HEARD: (CallStage.SENT, CallStage.HEARD),\n",
        "    SosStage.NOTIFIED: (CallStage.SENT,),\n    SosStage.HEARD: (CallStage.SENT,),\n",
        CALL,
    ),
    broken(
        "§4",
        "... and no earlier",
        RECEIPTS,
        "    if heard_at_ms is not None and heard_at_ms >= progress.received_at_ms:\n",
        "    if heard_at_ms is not None:\n",
        "receipts::test_a_press_after_the_acknowledgement_is_heard_only_when_a_person_says_so_again",
    ),
    broken(
        "§4",
        "on the way: its order is accepted",
        RECEIPTS,
        "    if progress.accepted_at_ms is not None:\n",
        "    if progress.accepted_at_ms is not None and heard_at_ms is None:\n",
        "receipts::test_a_press_is_told_its_furthest_stage",
        "receipts::test_the_stages_of_a_press_follow_alert_and_order",
    ),
    broken(
        "§4",
        "a change of stage is pushed as an ack at once",
        ACKNOWLEDGEMENT,
        "        if current is not None:\n            self._send(*current)\n",
        "        if current is None:\n            return\n        if self._now_ms() < 0:\n            se"
        "lf._send(*current)\n",
        "promises::test_a_change_of_stage_is_pushed_as_an_ack_at_once",
    ),
    broken(
        "§4",
        "fall_detected goes the same way as fallDetected",
        INTAKE,
        "    EventName.FALL_DETECTED: FaultCode.FALL_DETECTED,\n",
        "    EventName.FALL_DETECTED: FaultCode.SOS_PRESSED,\n",
        "pipeline::test_a_life_safety_event_raises_in_whichever_lane_it_comes",
    ),
    broken(
        "§4",
        "every sos ack lists the stages of the node's open SOS",
        ACKNOWLEDGEMENT,
        "                receipts = unit.presses.receipts(key.site, key.node, now_ms)\n",
        "                receipts = []\n",
        "pipeline::test_the_answers_of_the_sos_lane_carry_receipts_and_those_of_the_others_do_not",
    ),
    broken(
        "§4",
        "... and of those closed within 10 min",
        "hub/storage/sql/presses.py",
        '"closed_before_ms": at_ms - MERGE_MS}',
        '"closed_before_ms": at_ms}',
        "presses::TestPresses::test_receipts_are_of_this_node_with_a_seq_and_open_or_closed_less_than_te"
        "n_minutes[sqlite]",
    ),
    broken(
        "§4",
        "no sent within 3 s: a second path in parallel",
        "edge/uplink/second_path.py",
        "OPEN_AFTER_MS: Final = 3_000\n",
        "OPEN_AFTER_MS: Final = 8_000\n",
        "loop::test_a_call_without_sent_goes_to_the_second_broker_as_well_while_the_first_path_goes_on",
    ),
    broken(
        "§4",
        "... within 10 s: the local siren",
        "edge/local_rules.py",
        "    if waited_ms < int(rule.after_s * 1_000):\n",
        "    if waited_ms < int(rule.after_s * 2_000):\n",
        "local::test_a_call_sounds_from_its_age_until_it_is_answered_or_has_sounded_long_enough",
    ),
    broken(
        "§4",
        "... and failed is shown to the wearer",
        "edge/local_rules.py",
        "UNSENT_FAILS_MS: Final = 10_000\n",
        "UNSENT_FAILS_MS: Final = 20_000\n",
        "calls::test_without_sent_a_call_is_shown_as_failed_after_ten_seconds_and_as_sent_when_it_is",
    ),
    broken(
        "§4",
        "the first path goes on: the second marks nothing and takes no home",
        LOOP,
        "            self._courier.answered_aside(lane, answer, moment)\n",
        "            self._courier.answered(lane, answer, moment)\n",
        "loop::test_a_hub_that_was_never_home_does_not_become_it_by_the_second_path",
    ),
)
