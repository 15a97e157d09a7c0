"""An event in words for a person: one line, without anything that acts on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

from common.joblog.events import CLUSTER_PROC, Event, EventCode
from common.joblog.texts import decode_value, safe_key
from watcher.counting.chirps import ChirpKind, chirp_of
from watcher.counting.job_status import held_status

_SLOT = re.compile(rb"^\tSlotName: ([^\n]*)", re.MULTILINE)
_HOST = re.compile(rb"Job executing on host: <([\d.]+|\[[\da-fA-F:]+\])")
_REASON = re.compile(rb"^\tReason: ([^\n]*)", re.MULTILINE)
_RETURNED = re.compile(rb"\n\t\(1\) Normal termination \(return value (-?\d{1,10})\)")
_SIGNAL = re.compile(rb"\n\t\(0\) Abnormal termination \(signal (\d{1,10})\)")


def describe_event(event: Event) -> str:
    """What happened to a job; empty if the event does not matter for its history."""
    describe = _DESCRIBE.get(event.code)
    return describe(event.text) if describe and event.proc != CLUSTER_PROC else ""


def describe_any_event(event: Event) -> str:
    """Any event in words, with its job or cluster."""
    if event.proc == CLUSTER_PROC:
        text = _OF_A_CLUSTER.get(event.code) or safe_key(_line(event.text, 0))
        return f"cluster {event.cluster}: {text}"
    return f"job {event.cluster}.{event.proc}: {describe_event(event) or safe_key(_line(event.text, 0))}"


def describe_hold(text: bytes) -> str:
    """The status of a held job, with the reason as it is in the log."""
    status, reason = held_status(text), _line(text, 1).strip()
    return f"{status} ({safe_key(reason)})" if reason and safe_key(reason) not in status else status


def error_of(event: Event) -> str:
    """The error that an event chirps, or nothing."""
    kind, raw = chirp_of(event.text) if event.code == EventCode.GENERIC else (ChirpKind.OTHER, b"")
    return _value(raw) if kind is ChirpKind.ERROR else ""


def _started(text: bytes) -> str:
    slot, host = _SLOT.search(text), _HOST.match(text)
    where = [safe_key(found[1].decode("utf-8", "replace")) for found in (slot, host) if found]
    return " ".join(["started", *(["on", where[0]] if where else []), *(f"({more})" for more in where[1:])])


def _terminated(text: bytes) -> str:
    returned, signal = _RETURNED.search(text), _SIGNAL.search(text)
    if returned:
        return f"ended with exit code {int(returned[1])}"
    return f"ended by signal {int(signal[1])}" if signal else "ended"


def _evicted(text: bytes) -> str:
    why = _REASON.search(text)
    return f"evicted: {safe_key(why[1].decode('utf-8', 'replace'))}" if why else "evicted"


def _chirped(text: bytes) -> str:
    kind, raw = chirp_of(text)
    if kind is ChirpKind.OTHER:
        return ""
    return f"pilot {'status' if kind is ChirpKind.STATUS else 'error'}: {_value(raw)}"


def _with_line(what: str) -> Callable[[bytes], str]:
    """`what`, and the text of the event's second line."""
    return lambda text: f"{what}: {safe_key(line)}" if (line := _line(text, 1).strip()) else what


def _value(raw: bytes) -> str:
    text, cut = decode_value(raw)
    return safe_key(text, cut=cut)


def _line(text: bytes, number: int) -> str:
    lines = text.split(b"\n", number + 1)
    return lines[number].decode("utf-8", "replace") if number < len(lines) else ""


_OF_A_CLUSTER: dict[int, str] = {
    EventCode.CLUSTER_SUBMIT: "submitted",
    EventCode.CLUSTER_REMOVE: "removed",
    EventCode.FACTORY_PAUSED: "makes no more jobs for now",
    EventCode.FACTORY_RESUMED: "makes jobs again",
}
# Event number -> the function that describes it (HTCondor manual, Job Event Log Codes).
_DESCRIBE: dict[int, Callable[[bytes], str]] = {
    EventCode.SUBMIT: lambda _: "submitted",
    EventCode.EXECUTE: _started,
    EventCode.EXECUTABLE_ERROR: lambda _: "its program cannot be executed",
    EventCode.EVICTED: _evicted,
    EventCode.TERMINATED: _terminated,
    EventCode.SHADOW_EXCEPTION: _with_line("shadow exception"),
    EventCode.GENERIC: _chirped,
    EventCode.ABORTED: _with_line("removed"),
    EventCode.SUSPENDED: lambda _: "suspended",
    EventCode.UNSUSPENDED: lambda _: "no longer suspended",
    EventCode.HELD: describe_hold,
    EventCode.RELEASED: _with_line("released"),
    EventCode.REMOTE_ERROR: _with_line("error at the execution point"),
    EventCode.DISCONNECTED: _with_line("disconnected"),
    EventCode.RECONNECTED: lambda _: "connected again",
    EventCode.RECONNECT_FAILED: _with_line("could not be connected again"),
    EventCode.DATAFLOW_SKIPPED: lambda _: "skipped, as its outputs are there",
}
