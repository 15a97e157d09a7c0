"""Which job status each event of a job event log stands for, and whose the cluster is."""

from __future__ import annotations

import re
from functools import lru_cache

from watcher.counting.hold_reasons import describe_hold
from watcher.reading.texts import safe_key

# Status numbers; those from FIRST_HELD on are hold reasons, in order of their first appearance in a log.
NO_STATUS, IDLE, RUNNING, SUSPENDED, COMPLETED, REMOVED, FIRST_HELD = range(7)
STATUS_TEXTS = ["", "IDLE", "RUNNING", "SUSPENDED", "COMPLETED", "REMOVED"]
OTHER_STATUS = "HELD: (other reasons)"
ENDED = (COMPLETED, REMOVED)

# Event number -> status (HTCondor manual, Job Event Log Codes). 004 and 012 need a look at their text.
STATUS_OF_EVENT = {
    0: IDLE,
    1: RUNNING,
    5: COMPLETED,
    7: IDLE,  # shadow exception
    9: REMOVED,
    10: SUSPENDED,
    11: RUNNING,
    13: IDLE,
    22: RUNNING,  # disconnected: shadow and starter try to reconnect
    23: RUNNING,
    24: IDLE,  # reconnect failed
    46: COMPLETED,  # dataflow job skipped
}
SUBMIT, EXECUTE, EVICTED, TERMINATED, GENERIC, HELD, INFORMATION, CLUSTER_SUBMIT, CLUSTER_REMOVE = (
    0,
    1,
    4,
    5,
    8,
    12,
    28,
    35,
    36,
)
NAMING = frozenset({SUBMIT, INFORMATION, CLUSTER_SUBMIT})  # events that may name the taskforce

# After these events a job has no pilot, so what its earlier one reported is forgotten.
FORGETTING = frozenset(
    {EXECUTE, EVICTED, *(code for code, status in STATUS_OF_EVENT.items() if status == IDLE)}
)

_NOTE = re.compile(rb"^ {4}EWMSTaskforceUUID=([\w-]+)\r?$", re.MULTILINE)
_ATTRIBUTE = re.compile(rb'^EWMSTaskforceUUID = "([\w-]+)"\r?$', re.MULTILINE)
_CODES = re.compile(rb"\tCode (\d{1,9}) Subcode (-?\d{1,10})\s*$")
# 25.14.1 adds the reason: below 1000 a hold follows at once, 1023 is a removal, others go back to the queue.
_EVICTION_CODE = re.compile(rb"Job was evicted\. +Code (\d{1,9})")
_EVICTED_FOR_REMOVAL = 1023


def taskforce_of(code: int, text: bytes) -> str:
    """The taskforce that an event names, in an attribute (028) or in its notes (000, 035); empty if none."""
    found = (_ATTRIBUTE if code == INFORMATION else _NOTE).search(text)
    return found[1].decode("ascii") if found else ""


@lru_cache(maxsize=1024)
def held_status(text: bytes) -> str:
    """The status of a held job: the reason, of at least one line, and then the line with the codes.

    The reason may have several lines (HTCondor writes it as it is), and one of them may read like codes: so
    the last line that does has the codes, but never the first line.
    """
    lines, code, subcode = text.split(b"\n")[1:], 0, 0
    for at in range(len(lines) - 1, 0, -1):
        if codes := _CODES.match(lines[at]):
            lines, code, subcode = lines[:at], int(codes[1]), int(codes[2])
            break
    reason = b"\n".join(lines).decode("utf-8", "replace").strip()
    return safe_key(describe_hold(code, subcode, safe_key(reason) if reason else ""))


def may_be_half_of_an_end(text: bytes) -> bool:
    """Whether an eviction may be the first half of a hold or a removal; 23.9.6 gives no reason, so it may."""
    why = _EVICTION_CODE.match(text)
    return why is None or int(why[1]) < 1000 or int(why[1]) == _EVICTED_FOR_REMOVAL
