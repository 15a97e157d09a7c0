"""What the events of a job event log say of a job: its status, its pilot, its taskforce."""

from __future__ import annotations

import re
from functools import lru_cache

from watcher.counting.hold_reasons import held_status
from watcher.reading.texts import safe_key

# Status numbers; those from FIRST_HELD on are hold reasons, in the order in which a log brings them.
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
    22: RUNNING,  # disconnected, in doubt
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
NAMING = frozenset({SUBMIT, INFORMATION, CLUSTER_SUBMIT})  # these may say which taskforce it is

# After these a job has no pilot, and what an earlier one said is forgotten.
FORGETTING = frozenset(
    {EXECUTE, EVICTED, *(code for code, status in STATUS_OF_EVENT.items() if status == IDLE)}
)

_NOTE = re.compile(rb"^ {4}EWMSTaskforceUUID=([\w-]+)\r?$", re.MULTILINE)
_ATTRIBUTE = re.compile(rb'^EWMSTaskforceUUID = "([\w-]+)"\r?$', re.MULTILINE)
_CODES = re.compile(rb"\tCode (\d{1,9}) Subcode (-?\d{1,10})\s*$")
# 25.14.1 says why: below 1000 a hold follows at once, 1023 is a removal, others are a return to the queue.
_EVICTION_CODE = re.compile(rb"Job was evicted\. +Code (\d{1,9})")
_EVICTED_FOR_REMOVAL = 1023


def taskforce_of(code: int, text: bytes) -> str:
    """The taskforce that an event names: 028 by an attribute, 000 and 035 in their notes; or nothing."""
    found = (_ATTRIBUTE if code == INFORMATION else _NOTE).search(text)
    return found[1].decode("ascii") if found else ""


@lru_cache(maxsize=1024)
def held(text: bytes) -> str:
    """The status of a held job: one line of reason, whatever it says, and then the line with the codes."""
    lines = text.split(b"\n")
    reason = lines[1].strip().decode("utf-8", "replace") if len(lines) > 1 else ""
    codes = _CODES.match(lines[2]) if len(lines) > 2 else None
    code, subcode = (int(codes[1]), int(codes[2])) if codes else (0, 0)
    return safe_key(held_status(code, subcode, safe_key(reason) if reason else ""))


def may_be_half_of_an_end(text: bytes) -> bool:
    """Whether an eviction may be the first half of a hold or a removal; an older HTCondor does not say."""
    why = _EVICTION_CODE.match(text)
    return why is None or int(why[1]) < 1000 or int(why[1]) == _EVICTED_FOR_REMOVAL
