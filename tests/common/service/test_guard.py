"""The guard speaks supervisord's protocol of event listeners (Supervisor manual, Events)."""

from __future__ import annotations

import io

from common.service.guard import next_event

PAYLOAD = "processname:watcher groupname:watcher from_state:BACKOFF"
HEADER = f"ver:3.0 server:supervisor serial:21 pool:guard eventname:PROCESS_STATE_FATAL len:{len(PAYLOAD)}"


def test_an_event_is_asked_for_and_read_to_its_end_and_not_beyond() -> None:
    stdin, stdout = io.StringIO(f"{HEADER}\n{PAYLOAD}ver:3.0 next"), io.StringIO()
    event = next_event(stdin, stdout)
    assert stdout.getvalue() == "READY\n"
    assert (event["eventname"], event["processname"]) == ("PROCESS_STATE_FATAL", "watcher")
    assert stdin.read() == "ver:3.0 next"


def test_an_event_without_a_payload_is_one_too() -> None:
    assert next_event(io.StringIO("eventname:TICK_5 len:0\n"), io.StringIO())["eventname"] == "TICK_5"


def test_without_supervisord_there_are_no_more_events() -> None:
    assert next_event(io.StringIO(""), io.StringIO()) == {}
