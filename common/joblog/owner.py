"""The owner of a cluster: the user notes of its submit event name the taskforce, and nothing else does.

    000 (4711.000.000) 2026-11-22 18:13:17 Job submitted from host: <192.0.2.2:9618>
        EWMSTaskforceUUID=TF-1234abcd
    ...

The submit fixes the notes before any job runs. A later event may have a job's own words, above all the
job-ad-information event 028, and may name another's taskforce.
"""

from __future__ import annotations

import re

from common.condor.records import UUID_ATTRIBUTE
from common.joblog.events import MAX_PROC, Event, EventCode

NAMING = frozenset({EventCode.SUBMIT.value, EventCode.CLUSTER_SUBMIT.value})
NOTE = f"{UUID_ATTRIBUTE}=".encode()  # with the taskforce's id behind it

# "\n    EWMSTaskforceUUID=TF-1234abcd\n"; text that stands for itself is looked for first, and fast.
_NOTES = re.compile(rb"\n    %b([\w-]+)\r?\n" % NOTE)


def taskforce_of(event: Event) -> str:
    """The taskforce that an event names as its cluster's owner; or nothing."""
    if event.code not in NAMING or event.proc > MAX_PROC:
        return ""
    notes = _NOTES.search(event.text)
    return notes[1].decode("ascii") if notes else ""
