"""The rules of `wire.md` §5 (time) and §8 (stores), sentence by sentence."""

from typing import Final

from tests.guarantees.wire_rule import Row, broken

LANE: Final = "hub/ingest/lane.py"
INTAKE: Final = "hub/ingest/intake.py"
PIPELINE: Final = "hub/ingest/pipeline.py"
ACKNOWLEDGEMENT: Final = "hub/ingest/acknowledgement.py"
RELEASE: Final = "hub/ingest/release.py"
TIME: Final = "hub/ingest/effective_time.py"
FACILITY: Final = "hub/rules/facility.py"
FILE: Final = "hub/storage/telemetry_file.py"
SQLITE: Final = "hub/storage/sqlite_telemetry.py"
LINES: Final = "hub/telemetry/line_protocol.py"
LOG: Final = "hub/storage/influx_log.py"
LINE: Final = "lines::TestEncoder::test_a_point_becomes_kind_slugs_values_quality_and_its_own_nanosecond"
MOVED: Final = "release::test_a_released_reading_is_stored_under_its_key_and_its_count_moves"

WHEN: Final[tuple[Row, ...]] = (
    broken(
        "§5",
        "effective time is `at` when the clock is synced",
        TIME,
        "    if stamping.synced:\n",
        "    if stamping.received_ms:\n",
        "time::test_an_unsynced_clock_is_never_believed",
    ),
    broken(
        "§5",
        "... and not before 2025",
        TIME,
        "EARLIEST_PLAUSIBLE_MS: Final = 1_735_689_600_000\n",
        "EARLIEST_PLAUSIBLE_MS: Final = 0\n",
        "time::test_a_synced_clock_is_believed_from_2025_to_five_minutes_ahead",
    ),
    broken(
        "§5",
        "... at most 5 min ahead",
        TIME,
        "LONGEST_AHEAD_MS: Final = 5 * 60_000\n",
        "LONGEST_AHEAD_MS: Final = 6 * 60_000\n",
        "time::test_a_synced_clock_is_believed_from_2025_to_five_minutes_ahead",
    ),
    broken(
        "§5",
        "one that cannot be parsed counts as null",
        "protocols/instant.py",
        "    except ValueError:\n        return None\n",
        "    except ValueError:\n        return 1_795_000_000_000\n",
        "time::test_what_is_no_plausible_time_falls_back_to_uptime",
    ),
    broken(
        "§5",
        "else, in the boot of `now`: received - (now.uptime_ms - uptime_ms)",
        TIME,
        "received_ms - max(0, stamping.now_uptime_ms - uptime_ms)",
        "received_ms - max(0, stamping.now_uptime_ms - stamping.now_uptime_ms)",
        "time::test_what_is_no_plausible_time_falls_back_to_uptime",
    ),
    broken(
        "§5",
        "else by the boot's anchor",
        TIME,
        "            anchored_ms = stamping.anchor[0] + uptime_ms - stamping.anchor[1]\n",
        "            anchored_ms = stamping.anchor[0]\n",
        "time::test_an_earlier_boot_is_timed_by_its_anchor",
    ),
    broken(
        "§5",
        "else between its neighbours in the lane",
        TIME,
        " if previous_ms is None else min(previous_ms, ",
        " if previous_ms != -1 else min(previous_ms or 0, ",
        "time::test_without_any_time_a_record_lies_between_its_neighbours",
    ),
    broken(
        "§5",
        "... marked `bounded`",
        TIME,
        "TimeSource.BOUNDED)",
        "TimeSource.UPTIME)",
        "time::test_without_any_time_a_record_lies_between_its_neighbours",
    ),
    broken(
        "§5",
        "it is stored with its source",
        INTAKE,
        "        time_source=when.source,\n",
        "        time_source=type(when.source).AT,\n",
        "promises::test_an_event_is_stored_with_the_source_of_its_time_fixed_at_the_first_commit",
    ),
    broken(
        "§5",
        "... and fixed at the first commit",
        LANE,
        "            if item.seq < expected or item.seq in state.ahead:\n",
        "            if item.seq in state.ahead:\n",
        "promises::test_an_event_is_stored_with_the_source_of_its_time_fixed_at_the_first_commit",
    ),
    broken(
        "§5",
        "an ack that answers a hello echoes its uptime_ms",
        ACKNOWLEDGEMENT,
        "            uptime_ms=hello_uptime_ms,\n",
        "            uptime_ms=None,\n",
        "pipeline::test_every_hello_is_answered_and_its_uptime_echoed",
    ),
    broken(
        "§5",
        "... others omit it",
        ACKNOWLEDGEMENT,
        "            uptime_ms=hello_uptime_ms,\n",
        "            uptime_ms=hello_uptime_ms or 1,\n",
        "pipeline::test_every_hello_is_answered_and_its_uptime_echoed",
    ),
    broken(
        "§5",
        "so the edge knows the hub's time with a known error",
        "edge/clock.py",
        "milliseconds=asked_ms + round_trip_ms // 2)",
        "milliseconds=asked_ms)",
        "clock::test_the_hubs_time_is_taken_in_the_middle_of_its_round_trip",
    ),
    broken(
        "§5",
        "across lanes, nodes and epochs effective time orders",
        SQLITE,
        " AND at_ns = (SELECT max(at_ns) FROM readings WHERE series_id = id)",
        " AND at_ns = (SELECT min(at_ns) FROM readings WHERE series_id = id)",
        "store::TestLatest::test_the_newest_is_the_one_with_the_highest_time_not_the_last_to_arrive[sqlite]",
    ),
    broken(
        "§5",
        "nothing is refused because of time",
        "protocols/readings.py",
        "At = Annotated[\n    Any,",
        "At = Annotated[\n    str | None,",
        "codec::test_a_time_that_is_none_refuses_nothing",
    ),
    broken(
        "§5",
        "a reading is late when it is older than the newest evaluated for (facility, kind)",
        FACILITY,
        "    if at_ms < state.newest.get(kind, at_ms):\n        return True\n",
        "",
        "facility::test_a_reading_is_late_behind_the_newest_or_beyond_the_horizon",
    ),
    broken(
        "§5",
        "... of that kind only",
        FACILITY,
        "state.newest.get(kind, at_ms)",
        "max(state.newest.values(), default=at_ms)",
        "facility::test_lateness_is_per_kind",
    ),
    broken(
        "§5",
        "... or than 5 min",
        FACILITY,
        "LATE_AFTER_MS: Final = 300_000\n",
        "LATE_AFTER_MS: Final = 3_000_000\n",
        "facility::test_a_reading_is_late_behind_the_newest_or_beyond_the_horizon",
    ),
    broken(
        "§5",
        "... or 2 x its device's interval where that is longer",
        FACILITY,
        "max(LATE_AFTER_MS, interval_ms * LATE_INTERVALS)",
        "LATE_AFTER_MS",
        "facility::test_a_reading_is_late_behind_the_newest_or_beyond_the_horizon",
    ),
    broken(
        "§5",
        "late readings are history and never call a crew",
        "hub/ingest/judgement.py",
        "        if history or (ref is not None",
        "        if (ref is not None and history) or (ref is not None",
        "pipeline::test_a_late_reading_is_history_and_calls_no_crew",
    ),
    broken(
        "§5",
        "a late SOS calls, with its age",
        "hub/ingest/release.py",
        "            if known.name in LIFE_SAFETY:\n",
        "            if known.name in LIFE_SAFETY and not self.received_ms:\n",
        "release::test_a_released_sos_calls_with_its_age",
    ),
)

STORES: Final[tuple[Row, ...]] = (
    broken(
        "§8",
        "commit order: telemetry, then state",
        PIPELINE,
        "        self._append(intake)\n"
        "        judged = self._supervisor.judge(self._stores.transactions, intake)\n"
        "        with self._begin() as unit:\n"
        "            self._commit(unit, items, intake, judged, at_ms=self._now_ms())\n",
        "        judged = self._supervisor.judge(self._stores.transactions, intake)\n"
        "        with self._begin() as unit:\n"
        "            self._commit(unit, items, intake, judged, at_ms=self._now_ms())\n"
        "        self._append(intake)\n",
        "promises::test_what_the_telemetry_store_did_not_take_is_not_known_to_the_state_either",
    ),
    broken(
        "§8",
        "... then the ack",
        PIPELINE,
        "        with self._begin() as unit:\n            self._commit(unit, items, intake, judged, at_m"
        "s=self._now_ms())\n",
        "        self._answer(items, intake, moved)\n"
        "        with self._begin() as unit:\n            self._commit(unit, items, intake, judged, at_m"
        "s=self._now_ms())\n",
        "pipeline::test_a_crash_between_the_telemetry_commit_and_the_state_commit_neither_loses_nor_doubles",
    ),
    broken(
        "§8",
        "the telemetry store skips a record where its hw has passed it",
        FILE,
        "[point for point in batch.points if point.seq > held]",
        "list(batch.points)",
        "store::TestAppend::test_what_the_high_water_has_passed_is_skipped[sqlite]",
    ),
    broken(
        "§8",
        "... per (node, epoch, lane)",
        FILE,
        "            held = moved.get(key, self._marks.get(key, 0))\n",
        "            held = max((moved | self._marks).values(), default=0)\n",
        "store::TestAppend::test_each_node_epoch_and_lane_has_its_own_high_water[sqlite]",
    ),
    broken(
        "§8",
        "... committed with its readings",
        FILE,
        "                marks = _read_marks(writer)\n",
        "                marks = {}\n",
        "store::TestAppend::test_the_high_water_outlives_the_process[sqlite]",
    ),
    broken(
        "§8",
        "a crash between the two commits neither loses nor doubles",
        FILE,
        "                moved[key] = batch.high_water\n",
        "                moved[key] = batch.high_water + 1\n",
        "store::TestAppend::test_the_same_append_after_a_crash_of_the_state_neither_loses_nor_doubles[sqlite]",
    ),
    broken(
        "§8",
        "backup copies state first, telemetry second",
        "hub/upkeep/backup/taking.py",
        "    manifest = _copy_state(settings, folder, taken_at=format_ms(now_ms()))\n"
        "    names = [content.name for content in manifest.contents]\n"
        "    if (settings.data_dir / TELEMETRY).exists():\n"
        "        copy_database(settings.data_dir / TELEMETRY, folder / TELEMETRY)\n",
        "    if (settings.data_dir / TELEMETRY).exists():\n"
        "        copy_database(settings.data_dir / TELEMETRY, folder / TELEMETRY)\n"
        "    manifest = _copy_state(settings, folder, taken_at=format_ms(now_ms()))\n"
        "    names = [content.name for content in manifest.contents]\n"
        "    if (settings.data_dir / TELEMETRY).exists():\n",
        "backup::test_a_backup_under_load_never_claims_more_than_it_holds",
    ),
    broken(
        "§8",
        "point time = effective ms + (seq mod 10⁶) ns in the embedded store",
        SQLITE,
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq % NANOSECONDS_PER_MILLISECOND\n",
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND\n",
        "store::TestAppend::test_equal_instants_are_both_kept[sqlite]",
    ),
    broken(
        "§8",
        "... mod 10⁶",
        SQLITE,
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq % NANOSECONDS_PER_MILLISECOND\n",
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq\n",
        "store::TestAppend::test_the_millionth_record_after_another_keeps_its_own_millisecond[sqlite]",
    ),
    broken(
        "§8",
        "... and in InfluxDB",
        LINES,
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND + seq % NANOSECONDS_PER_MILLISECOND\n",
        "            at_ns = at_ms * NANOSECONDS_PER_MILLISECOND\n",
        LINE,
    ),
    broken(
        "§8",
        "a re-send overwrites itself",
        SQLITE,
        'f"INSERT OR REPLACE INTO readings',
        'f"INSERT INTO readings',
        "store::TestLate::test_a_late_point_sent_again_overwrites_itself[sqlite]",
    ),
    broken(
        "§8",
        "measurement = kind",
        LINES,
        '[escape_measurement(kind), *(f"',
        '[escape_measurement("reading"), *(f"',
        LINE,
    ),
    broken(
        "§8",
        "fields = the names of the values and quality",
        LINES,
        '[*fields, "quality=\\1"]',
        "fields",
        LINE,
    ),
    broken(
        "§8",
        "tags are the slugs of site, facility, node and device",
        LINES,
        '("node", node), ("site", site))',
        '("node", f"{site}.{node}"), ("site", site))',
        LINE,
    ),
    broken(
        "§8",
        "all numbers are floats",
        LINES,
        '.replace("\\1", "%d.0")',
        '.replace("\\1", "%di")',
        LINE,
    ),
    broken(
        "§8",
        "booleans are 0 and 1",
        "hub/ingest/tracks.py",
        "{0: 0.0, 1: 1.0}",
        "{0: 1.0, 1: 0.0}",
        "tracks::test_plausible_values_are_those_that_admission_stores",
    ),
    broken(
        "§8",
        "persons are never tags",
        LINES,
        '("node", node), ("site", site))',
        '("node", node), ("person", device), ("site", site))',
        LINE,
    ),
    broken(
        "§8",
        "a missing bucket is told, and the points wait",
        "hub/telemetry/delivery.py",
        "    if status == 404:\n        return Verdict.NO_BUCKET\n",
        "    if status == 404:\n        return Verdict.STORED\n",
        "influx::TestRetry::test_what_a_person_must_mend_is_said_once_and_the_points_wait",
    ),
    broken(
        "§8",
        "with InfluxDB every reading passes an append-only log",
        LOG,
        "        self._file.commit_above(batches, store)\n        self._announce",
        "        self._file.commit_above(batches, lambda connection, points: None)\n        self._announce",
        "influx::TestRetry::test_points_wait_while_nothing_listens_at_the_address",
    ),
    broken(
        "§8",
        "... until the writer's cursor has passed it",
        "hub/storage/influx_writer.py",
        "            bad = self._deliver(body)\n            passed(FaultPoint.LINES_STORED)\n"
        "            self._log.pass_over(body, bad)\n",
        "            self._log.pass_over(body, ())\n            bad = self._deliver(body)\n"
        "            passed(FaultPoint.LINES_STORED)\n            self._log.pass_over(body, bad)\n",
        "influx::TestLog::test_a_new_process_goes_on_where_a_killed_one_was",
    ),
    broken(
        "§8",
        "quarantined records are held, then released or discarded once",
        "hub/storage/sql/quarantine.py",
        ".where(quarantine.c.id == quarantine_id, quarantine.c.state == QuarantineState.HELD.value)",
        ".where(quarantine.c.id == quarantine_id)",
        "release::test_undecodable_bytes_cannot_be_released_but_discarded",
    ),
    broken(
        "§8",
        "... by a person, audited",
        "hub/api/caller.py",
        "            unit.audit.add(self._what, answer.about, person=self.account.id, site=answer.site, "
        "at_ms=at_ms, details={})\n",
        "            pass\n",
        "measurements::test_a_decision_on_a_quarantined_record_is_audited",
    ),
    broken(
        "§8",
        "release admits under the original key",
        RELEASE,
        "        admission.admit([Taken(refused.seq, _usable(record))])\n",
        "        admission.admit([Taken(refused.seq + 1, _usable(record))])\n",
        MOVED,
    ),
    broken(
        "§8",
        "... as late",
        RELEASE,
        "            self.telemetry.append_late(points)\n",
        "            from hub.telemetry.point import LaneBatch\n\n"
        "            self.telemetry.append([LaneBatch(self.key, points[-1].seq, points)])\n",
        MOVED,
    ),
    broken(
        "§8",
        "... (an SOS calls)",
        RELEASE,
        "            if known.name in LIFE_SAFETY:\n                self.unit.emit(",
        "            if known.name in LIFE_SAFETY:\n                self.unit.emit(*()) if points else repr(",
        "release::test_a_released_sos_calls_with_its_age",
    ),
    broken(
        "§8",
        "... and moves the count in one transaction",
        RELEASE,
        "        unit.lanes.move_released(key)\n",
        "",
        MOVED,
    ),
)

ROWS: Final[tuple[Row, ...]] = (*WHEN, *STORES)
