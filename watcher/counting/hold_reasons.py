"""HTCondor's hold codes in words: what the WMS shows of a held job."""

from __future__ import annotations

from common.condor.records import BY_REQUEST, CHANGED_AD

# HTCondor's own labels for HoldReasonCode, as words (enum of 25.14.1; 23.9.6 ends at 48).
HOLD_REASONS = {
    0: "Unspecified",
    1: "User request",
    2: "Globus GRAM error",
    3: "Job policy",
    4: "Corrupted credential",
    5: "Job policy undefined",
    6: "Failed to create process",
    7: "Unable to open output",
    8: "Unable to open input",
    9: "Unable to open output stream",
    10: "Unable to open input stream",
    11: "Invalid transfer acknowledgement",
    12: "Transfer output error",
    13: "Transfer input error",
    14: "Initial working directory error",
    15: "Submitted on hold",
    16: "Spooling input",
    17: "Job shadow mismatch",
    18: "Invalid transfer go-ahead",
    19: "Hook prepare job failure",
    20: "Missed deferred execution time",
    21: "Startd held job",
    22: "Unable to initialize user log",
    23: "Failed to access user account",
    24: "No compatible shadow",
    25: "Invalid cron settings",
    26: "System policy",
    27: "System policy undefined",
    28: "Glexec chown sandbox to user",
    29: "Privsep chown sandbox to user",
    30: "Glexec chown sandbox to condor",
    31: "Privsep chown sandbox to condor",
    32: "Max transfer input size exceeded",
    33: "Max transfer output size exceeded",
    34: "Job out of resources",
    35: "Invalid Docker image",
    36: "Failed to checkpoint",
    37: "EC2 user error",
    38: "EC2 internal error",
    39: "EC2 admin error",
    40: "EC2 connection problem",
    41: "EC2 server error",
    42: "EC2 instance potentially lost",
    43: "Pre script failed",
    44: "Post script failed",
    45: "Singularity test failed",
    46: "Job duration exceeded",
    47: "Job execute exceeded",
    48: "Hook shadow prepare job failure",
    49: "Cannot switch primary group",
}

CHANGED_OWN_AD = "Changed its own job ad"  # held by this service's stopper


def describe_hold(code: int, subcode: int, reason: str) -> str:
    """The job status of a held job: `HELD: <label>`, with the subcode if there is one.

    A code that is not in the table, and code 0, are described by the log's own `reason`, if it has one.
    """
    if (code, subcode) == (BY_REQUEST, CHANGED_AD):
        return f"HELD: {CHANGED_OWN_AD}"
    label = HOLD_REASONS.get(code, "") if code else ""  # 0 is "Unspecified": any reason is better
    text = label or reason or HOLD_REASONS.get(code, f"code {code}")
    return f"HELD: {text}: subcode {subcode}" if subcode else f"HELD: {text}"
