"""The events in a piece of a job event log, exactly: what is an event, and what is damage.

A log is a sequence of events. Each is a header line, perhaps body lines, and a line of three dots:

    008 (091.000.000) 2026-11-22 18:13:17 HTChirpEWMSPilotStatus: "Tasking"
    ...

A header counts only where one is due: at the start of the file or after a separator. Where something else
stands there, or where a whole header stands at the start of a body line (its predecessor was torn before its
separator), reading goes on at that header, or else at the next separator; the bytes between are damage.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple


class EventCode(IntEnum):
    """The numbers of the events that matter to us (HTCondor manual, Job Event Log Codes)."""

    SUBMIT = 0
    EXECUTE = 1
    EXECUTABLE_ERROR = 2
    EVICTED = 4
    TERMINATED = 5
    SHADOW_EXCEPTION = 7
    GENERIC = 8
    ABORTED = 9
    SUSPENDED = 10
    UNSUSPENDED = 11
    HELD = 12
    RELEASED = 13
    REMOTE_ERROR = 21
    DISCONNECTED = 22
    RECONNECTED = 23
    RECONNECT_FAILED = 24
    INFORMATION = 28
    CLUSTER_SUBMIT = 35
    CLUSTER_REMOVE = 36
    DATAFLOW_SKIPPED = 46


# "...\n", or "...\r\n" as a log from Windows has it, alone on a line.
SEPARATOR = re.compile(rb"^\.\.\.\r?\n", re.MULTILINE)
# "2026-11-22 18:13:17", "2026-11-22T18:13:17.363", "2026-11-22 18:13:17Z", "11/22 18:13:17".
DATE = re.compile(rb"(?:\d{4}-\d\d-\d\d[ T]|\d\d/\d\d )\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?")
# "001 (4700.000.000) 2026-11-22 18:13:16 ", "036 (011.-01.000) 2026-11-22 18:13:16 ".
HEADER = re.compile(
    rb"(\d{3}) \((\d{3,10})\.(-01|\d{3,10})\.\d{3,10}\) (" + DATE.pattern + rb")(?: |(?=\r?\n))"
)
CLUSTER_PROC = -1  # the proc of events that are about a cluster as a whole
MAX_PROC = 10_000_000  # beyond any cluster: a larger number is damage
MAX_EVENT = 1 << 20  # bytes; an event is some kilobytes at most: more without a separator is damage

# The "(" in "\n001 (" or "\0001 (". It is looked for first, as it is rare, and a search for one byte is fast.
_LIKE_HEADER = re.compile(rb"\((?<=[\n\0]\d\d\d \()")
_PAREN = len("001 ")  # where the "(" stands in a header


class Event(NamedTuple):
    """One event. `text` is what follows the date: the rest of the header line, and the body lines."""

    code: int
    cluster: int
    proc: int
    date: bytes
    text: bytes


def last_start(piece: bytes) -> int:
    """Where the last whole header begins that stands at the start of a line, or behind zeros; else 0."""
    starts = (like.start() - _PAREN for like in _LIKE_HEADER.finditer(piece))
    return max((start for start in starts if HEADER.match(piece, start)), default=0)


def parse_event(piece: bytes) -> tuple[Event | None, int]:
    """The event in what stands between two separators, and how many bytes of it are damage."""
    start = last_start(piece)
    header = HEADER.match(piece, start)
    if header is None:
        return None, len(piece)
    code, cluster, proc, date = header.groups()
    return Event(int(code), int(cluster), int(proc), date, piece[header.end() :]), start


def parse_events(block: bytes) -> tuple[list[Event], int]:
    """All events in a block that ends with a separator, and how many bytes of it are damage.

    The separator of an event that is damaged as a whole counts as damage, too.
    """
    events: list[Event] = []
    damage = 0
    position = 0
    for separator in SEPARATOR.finditer(block):
        event, skipped = parse_event(block[position : separator.start()])
        damage += skipped
        if event is None:
            damage += separator.end() - separator.start()
        else:
            events.append(event)
        position = separator.end()
    return events, damage
