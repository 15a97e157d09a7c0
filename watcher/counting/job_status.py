"""Which job status each event of a job event log stands for."""

from __future__ import annotations

import re
from functools import lru_cache

from common.condor.records import BY_REQUEST, CHANGED_AD
from common.joblog.events import EventCode
from common.joblog.texts import safe_key
from watcher.counting.hold_reasons import CHANGED_OWN_AD, HOLD_REASONS, describe_hold
from watcher.counting.numbered_texts import Vocabulary

# Status numbers; those from FIRST_HELD on are hold reasons.
NO_STATUS, IDLE, RUNNING, SUSPENDED, COMPLETED, REMOVED, FIRST_HELD = range(7)
STATUS_TEXTS = ["", "IDLE", "RUNNING", "SUSPENDED", "COMPLETED", "REMOVED"]
STATUSES = Vocabulary(
    [*STATUS_TEXTS, *(f"HELD: {label}" for label in (*HOLD_REASONS.values(), CHANGED_OWN_AD))],
    "HELD: (other reasons)",
)
ENDED = (COMPLETED, REMOVED)

# Event number -> status, in plain numbers, as they are looked up for each event. 004 and 012 depend on their
# text. After 022, a lost connection, the job may still run.
STATUS_OF_EVENT = {
    code.value: status
    for code, status in {
        EventCode.SUBMIT: IDLE,
        EventCode.EXECUTE: RUNNING,
        EventCode.TERMINATED: COMPLETED,
        EventCode.SHADOW_EXCEPTION: IDLE,
        EventCode.ABORTED: REMOVED,
        EventCode.SUSPENDED: SUSPENDED,
        EventCode.UNSUSPENDED: RUNNING,
        EventCode.RELEASED: IDLE,
        EventCode.DISCONNECTED: RUNNING,
        EventCode.RECONNECTED: RUNNING,
        EventCode.RECONNECT_FAILED: IDLE,
        EventCode.DATAFLOW_SKIPPED: COMPLETED,
    }.items()
}

# After these events a job has no pilot, so what its earlier one reported is forgotten.
FORGETTING = frozenset(
    {
        EventCode.EXECUTE.value,
        EventCode.EVICTED.value,
        *(code for code, status in STATUS_OF_EVENT.items() if status == IDLE),
    }
)

_CODES = re.compile(rb"\tCode (\d{1,9}) Subcode (-?\d{1,10})\s*$")
_BY_USER = re.compile(r" \(by user [^)]*\)$")  # EWMS: the job changed its own ad: In (by user tms)
_HOLD_CODE = re.compile(rb"^\tHoldCode (\d{1,9})\s*$", re.MULTILINE)
# 25.14.1 adds the reason: below 1000 a hold follows at once, 1023 is a removal, others go back to the queue.
_EVICTION_CODE = re.compile(rb"Job was evicted\. +Code (\d{1,9})")
_EVICTED_FOR_REMOVAL = 1023


def paused_status(text: bytes) -> str:
    """The status of jobs that are not made yet, while HTCondor makes none: that of held ones.

    Its event has the code of the hold, if that was the cause, but no subcode:

        037 (001.-01.000) 2026-11-27 04:32:47 Job Materialization Paused
        \tvia condor_hold (by user tms)
        \tPauseCode 1
        \tHoldCode 1
    """
    reason = text.partition(b"\n")[2].partition(b"\n")[0].decode("utf-8", "replace").strip()
    code = _HOLD_CODE.search(text)
    return safe_key(describe_hold(int(code[1]) if code else 0, 0, safe_key(reason) if reason else ""))


@lru_cache(maxsize=1024)
def held_status(text: bytes) -> str:
    """The status of a held job."""
    reason, code, subcode = _hold(text)
    return safe_key(describe_hold(code, subcode, reason))


@lru_cache(maxsize=1024)
def change_of_ad(text: bytes) -> bytes:
    """Why our stopper holds a job that changed its own ad, as an error of that job; empty: another hold."""
    reason, code, subcode = _hold(text)
    if (code, subcode) != (BY_REQUEST, CHANGED_AD):
        return b""
    return (_BY_USER.sub("", reason) or CHANGED_OWN_AD).encode()


def _hold(text: bytes) -> tuple[str, int, int]:
    """Reason, code and subcode of a hold: the reason, of at least one line, and then the line with the codes.

    The reason may have several lines (HTCondor writes it as it is), and one of them may read like codes: so
    the last line that does has the codes, but never the first line.
    """
    lines, code, subcode = text.split(b"\n")[1:], 0, 0
    for at in range(len(lines) - 1, 0, -1):
        if codes := _CODES.match(lines[at]):
            lines, code, subcode = lines[:at], int(codes[1]), int(codes[2])
            break
    reason = b"\n".join(lines).decode("utf-8", "replace").strip()
    return safe_key(reason) if reason else "", code, subcode


def eviction_code(text: bytes) -> int | None:
    """Why a job was evicted; None if the log has no reason, as with HTCondor 23.9.6."""
    why = _EVICTION_CODE.match(text)
    return int(why[1]) if why else None


def announces_end(why: int) -> bool:
    """Whether an eviction with this code is the first half of a hold or a removal."""
    return why < 1000 or why == _EVICTED_FOR_REMOVAL
