"""The events in a piece of a job event log, exactly: what is an event, and what is damage.

A log is a sequence of events. Each is a header line, perhaps body lines, and a line of three dots:

    008 (091.000.000) 2026-11-22 18:13:17 HTChirpEWMSPilotStatus: "Tasking"
    ...

Between two separators stands one event, and its header is due at the start. But a writer that is killed, or
whose disk is full, leaves an event torn, and the next one follows directly. So a later header is the event's,
and what is before it is damage, if it stands at the start of a line, behind zeros or a torn separator, or in
a line of HTCondor's own words. Elsewhere it may as well be a text that a job or a machine has chosen, which
must not become an event.
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
    FACTORY_PAUSED = 37
    FACTORY_RESUMED = 38
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

# The "(" in "001 (". It is looked for first, because it is rare and a search for one byte is fast.
_LIKE_HEADER = re.compile(rb"\((?<=\d\d\d \()")
_PAREN = len("001 ")  # where the "(" stands in a header

# Events whose header line has HTCondor's own words only: `Job was held.`, `Image size of job updated: 27520`.
_FIXED = frozenset({0, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 22, 24, 28, 35, 36, 37, 38, 40, 46})
# Events whose header line has others' words after this prefix, and the only lines that may follow it: none
# after a chirp (008) or a changed attribute (033); `\tSlotName: slot1@ep1`, `\tCpus = 1` and so on after 001.
_FOREIGN = {
    1: (len("Job executing on host: "), re.compile(rb"\t\w+(?:: | = )")),
    8: (0, re.compile(rb"(?!)")),
    33: (len("Changing job attribute "), re.compile(rb"(?!)")),
}
# Events that have others' words in their bodies: only in lines of these kinds, after such a beginning:
# "\tReason: via condor_rm", "\t(1) Corefile in: /home", "\t   GPUs                 :    1   GPU-1".
# The body of a submit event (000, 035) has our own notes. After a torn one, the notes of the next would name
# another's taskforce.
_FIXED_BODY = frozenset({0, 3, 4, 5, 6, 35})
_FOREIGN_LINE = re.compile(rb"\t(?:Reason: |\([01]\) Corefile in: |   )")
# `HTChirpEWMSPilotStatus: "Do`: a quoted value without its closing quote, though too short to have been cut.
_UNFINISHED = re.compile(rb'[^":\n]*: (?!"(?:[^"\\\n]|\\.)*"\r?\n)"[^\n]{0,900}\n')


class Event(NamedTuple):
    """One event. `text` is what follows the date: the rest of the header line, and the body lines."""

    code: int
    cluster: int
    proc: int
    date: bytes
    text: bytes


def parse_event(piece: bytes) -> tuple[Event | None, int]:
    """The event in the bytes between two separators, and how many of those bytes are damage."""
    start, others = find_start(piece)
    header = HEADER.match(piece, start)
    if header is None:
        return None, len(piece)
    code, cluster, proc, date = header.groups()
    if others and int(code) == EventCode.GENERIC and _UNFINISHED.match(piece, header.end()):
        return None, len(piece)  # a chirp, torn or made to look so: nobody knows where it ends
    return Event(int(code), int(cluster), int(proc), date, piece[header.end() :]), start


def find_start(piece: bytes) -> tuple[int, bool]:
    """Where the event of a piece begins, and whether a later text looks like a header but is none.

    For example 46 in a piece that begins like this:

        005 (007.000.000) 2026-11-22 18:00:00 Job term009 (007.001.000) 2026-11-22 18:00:01 Job was aborted.
    """
    start = line = seen = 0
    others = False
    for like in _LIKE_HEADER.finditer(piece):
        at = like.start() - _PAREN
        if at > start and HEADER.match(piece, at):
            line, seen = piece.rfind(b"\n", seen, at) + 1 or line, at
            if _is_due(piece, start, line, at):
                start, others = at, False
            else:
                others = True
    return start, others


def _is_due(piece: bytes, start: int, line: int, at: int) -> bool:
    """Whether a header at `at`, in the line that begins at `line`, ends a torn event, begun at `start`."""
    if piece[at - 1] == 0 or (at - line < 4 and not piece[line:at].strip(b".")):
        return True
    header = HEADER.match(piece, start)
    if line > start:
        fixed = header is not None and int(header[1]) in _FIXED_BODY
        return fixed and _FOREIGN_LINE.match(piece, line) is None
    if header is None or int(header[1]) in _FIXED:
        return True
    foreign = _FOREIGN.get(int(header[1]))
    if foreign is None:
        return False
    begin, lines = foreign
    next_line = piece.find(b"\n", at) + 1
    has_body = piece[next_line : next_line + 1] in (b"\t", b" ")
    return at < header.end() + begin or (has_body and not lines.match(piece, next_line))


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
