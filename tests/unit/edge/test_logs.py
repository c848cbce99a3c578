import json
import logging
import subprocess
import sys

from edge.logs import JsonFormatter, PlainFormatter


def a_record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("edge", logging.WARNING, __file__, 1, message, (), None)
    record.created = 1_795_248_000.12
    vars(record).update(fields)
    return record


def test_people_read_one_line_of_keys_and_values() -> None:
    line = PlainFormatter().format(a_record("link.down", link="rest", why="no route to host", empty=""))
    assert line == '08:00:00.120 WARNING link.down link=rest why="no route to host" empty=""'


def test_a_journal_reads_one_json_object_with_the_event_as_its_name() -> None:
    line = json.loads(JsonFormatter().format(a_record("link.down", link="rest", again_s=1.5)))
    assert {"event": "link.down", "level": "warning", "link": "rest", "again_s": 1.5}.items() <= line.items()
    assert line["at"] == "2026-11-21T08:00:00.120+00:00"


def test_a_trace_goes_with_its_line() -> None:
    try:
        raise ValueError("x")
    except ValueError:
        record = a_record("sensor.failed")
        record.exc_info = sys.exc_info()
    assert "ValueError: x" in PlainFormatter().format(record)
    assert "ValueError: x" in json.loads(JsonFormatter().format(record))["trace"]


def test_what_a_library_says_is_an_event_that_names_it() -> None:
    record = a_record("falling back from lgpio")
    record.name = "gpiozero.pins"
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["library"], line["text"]) == ("library.said", "gpiozero", "falling back from lgpio")


def test_an_error_that_nobody_catches_is_an_event_with_its_trace() -> None:
    program = """
import threading
from edge.logs import set_up
set_up(as_json=True)
def end():
    raise ValueError("in a thread")
thread = threading.Thread(target=end, name="sos")
thread.start()
thread.join()
raise RuntimeError("two\\nlines")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    in_thread, at_the_top = [json.loads(line) for line in done.stderr.splitlines()]
    assert (in_thread["event"], in_thread["level"], in_thread["failed"]) == ("thread.failed", "critical", "sos")
    assert in_thread["trace"].endswith("ValueError: in a thread")
    assert at_the_top["event"] == "agent.failed"
    assert at_the_top["trace"].endswith("RuntimeError: two\nlines")
