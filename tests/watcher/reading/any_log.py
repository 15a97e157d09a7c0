"""Job event logs of every kind, for property tests: all events, dates, escapes, decoys, in any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from hypothesis import strategies as st

START = datetime(2026, 11, 22, 18, 0, 0)  # noqa: DTZ001 - a log has local time
USAGE = (
    "\tUsr 0 00:12:41, Sys 0 00:00:12  -  Run Remote Usage\n"
    "\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
)
TOTAL = (
    "\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Remote Usage\n"
    "\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage\n"
)
BYTES = "\t0  -  Run Bytes Sent By {0}\n\t467  -  Run Bytes Received By {0}\n"
TOTAL_BYTES = "\t0  -  Total Bytes Sent By {0}\n\t467  -  Total Bytes Received By {0}\n"
ENDED = "\t(1) Normal termination (return value 0)\n"
HEADER = "001 (008.000.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2>"

# Event number -> what it looks like, where @ stands for any text. HTCondor's reader takes them all; it takes
# none of 043, 044, 045, 047 that could be made up from the manual.
FORMS: dict[int, tuple[str, ...]] = {
    0: (
        "Job submitted from host: <192.0.2.2:9618>\n",
        "Job submitted from host: <192.0.2.2:9618>\n    EWMSTaskforceUUID=TF-{cluster}\n",
        "Job submitted from host: <192.0.2.2:9618>\n    @\n    EWMSTaskforceUUID=TF-{cluster}\n",
    ),
    1: (
        "Job executing on host: <192.0.2.2:9618>\n",
        'Job executing on host: <192.0.2.2:9618>\n\tSlotName: @\n\tCondorScratchDir = "/srv"\n\tCpus = 1\n',
    ),
    2: ("(1) Job file not executable.\n",),
    3: ("Job was checkpointed.\n" + USAGE + "\t0  -  Run Bytes Sent By Job For Checkpoint\n",),
    4: tuple(
        f"Job was evicted.{why}\n\t(0) CPU times\n" + USAGE + BYTES.format("Job")
        for why in ("", " Code 1 Subcode 0", " Code 1022 Subcode 0", " Code 1023 Subcode 0")
    ),
    5: ("Job terminated.\n" + ENDED + USAGE + TOTAL + BYTES.format("Job") + TOTAL_BYTES.format("Job"),),
    6: ("Image size of job updated: 1\n\t0  -  MemoryUsage of job (MB)\n",),
    7: ("Shadow exception!\n\t@\n" + BYTES.format("Job"),),
    8: (
        "it says: @\n",
        'HTChirpEWMSPilotStatus: "@"\n',
        'HTChirpEWMSPilotStatus: "Tasking"\n',
        'HTChirpEWMSPilotStatus: "Done"\n',
        "HTChirpEWMSPilotStatus: Done\n",
        'HTChirpEWMSPilotError: "@"\n',
        'HTChirpEWMSPilotError: "RuntimeError: no\n',
        'HTChirpEWMSPilotError: "in /srv/dir_4711 at 2026-11-22 18:00:00"\n',
        'HTChirpEWMSPilotError: "in /srv/dir_12 at 2026-11-22 18:00:01"\n',
        'HTChirpEWMSPilotErrorTraceback: "@"\n',
        'HTChirpEWMSPilotTasksTotal: "12"\n',
    ),
    9: ("Job was aborted.\n\t@\n",),
    10: ("Job was suspended.\n\tNumber of processes actually suspended: 1\n",),
    11: ("Job was unsuspended.\n",),
    12: (
        "Job was held.\n\t@\n\tCode 34 Subcode 102\n",
        "Job was held.\n\t@\n\tCode 1099 Subcode -3\n",
        "Job was held.\n\tCode 1 Subcode 2\n\tCode 3 Subcode 0\n",
        "Job was held.\n\tCode 1 Subcode 2\n",
        f"Job was held.\n\t{HEADER}\n\tCode 1 Subcode 0\n",
    ),
    13: ("Job was released.\n\t@\n",),
    14: ("Node 0 executing on host: <192.0.2.2:9618>\n",),
    15: ("Node 0 terminated.\n" + ENDED + USAGE + TOTAL + BYTES.format("Node") + TOTAL_BYTES.format("Node"),),
    16: ("POST Script terminated.\n" + ENDED + "    DAG Node: A\n",),
    17: ("Job submitted to Globus\n    RM-Contact: x\n    JM-Contact: y\n    Can-Restart-JM: 1\n",),
    18: ("Globus job submission failed!\n    Reason: x\n",),
    19: ("Globus Resource Back Up\n    RM-Contact: x\n",),
    20: ("Detected Down Globus Resource\n    RM-Contact: x\n",),
    21: ("Error from slot1@ep1:\n\t@\n\tCode 1 Subcode 2\n",),
    22: (
        "Job disconnected, attempting to reconnect\n    Closed\n    Trying to reconnect to x <192.0.2.2>\n",
    ),
    23: ("Job reconnected to slot1\n    startd address: <192.0.2.2>\n    starter address: <192.0.2.2>\n",),
    24: ("Job reconnection failed\n    @\n    Can not reconnect to slot1, rescheduling job\n",),
    25: ("Grid Resource Back Up\n    GridResource: x\n",),
    26: ("Detected Down Grid Resource\n    GridResource: x\n",),
    27: ("Job submitted to grid resource\n    GridResource: x\n    GridJobId: y\n",),
    28: (
        'Job ad information event triggered.\nProc = {proc}\nEWMSTaskforceUUID = "TF-{cluster}"\n',
        "Job ad information event triggered.\nCluster = {cluster}\nTriggerEventTypeNumber = 5\n",
    ),
    29: ("The job's remote status is unknown\n",),
    30: ("The job's remote status is known again\n",),
    31: ("Job is performing stage-in of input files\n",),
    32: ("Job is performing stage-out of output files\n",),
    33: ("Changing job attribute A from 1 to 2\n",),
    34: ("PRE_SKIP script return value is 1\n    DAG Node: A\n",),
    37: ("Job Materialization Paused\n\t@\n\tPauseCode 1\n",),
    38: ("Job Materialization Resumed\n",),
    39: ("none\n",),
    40: (
        "Started transferring input files\n\tTransferring to host: <192.0.2.2>\n",
        "Finished transferring input files\n",
    ),
    41: ("Bytes reserved: 1\n\tReservation Expiration: 1795371455\n\tReservation UUID: x\n\tTag: y\n",),
    42: ("Reservation UUID: x\n",),
    46: ("Dataflow job was skipped.\n" + ENDED,),
}
OF_A_CLUSTER: dict[int, tuple[str, ...]] = {
    35: ("Cluster submitted from host: <192.0.2.2:9618>\n",),  # the bindings do not show its notes
    36: ("Cluster removed\n\tMaterialized 3 jobs from 0 items.\tIncomplete\n",),
}
DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.123", "%Y-%m-%dT%H:%M:%S", "%m/%d %H:%M:%S")
# Besides ordinary text: what must be escaped, what looks like the log's own lines, what is not ASCII.
TEXTS = st.one_of(
    st.sampled_from(
        [
            HEADER,
            "...",
            "....",
            r"caf\303\251",
            r"say \"no\"\n",
            r"C:\\temp",
            "Code 1 Subcode 2",
            "é \u4e2d",
            "x",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30).map(str.strip),
).filter(bool)

# One event of each kind of line.
EVERYTHING = """\
000 (007.000.000) 2026-11-22 18:00:00 Job submitted from host: <192.0.2.2:9618>
    EWMSTaskforceUUID=TF-7
...
001 (007.000.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2:9618>\r
...\r
008 (007.000.000) 2026-11-22 18:00:00 HTChirpEWMSPilotStatus: "Tasking"
...
008 (007.001.000) 2026-11-22 18:00:00 HTChirpEWMSPilotError: "caf\\303\\251"
...
012 (007.000.000) 2026-11-22 18:00:00 Job was held.
\t...
\tCode 3 Subcode 0
...
036 (007.-01.000) 2026-11-22 18:00:00 Cluster removed
...
"""


@st.composite
def events(draw: st.DrawFn) -> str:
    """One event; its date is left open as `{date}`."""
    cluster = draw(st.sampled_from([7, 8, 114, 123_456_789]))
    proc = draw(st.sampled_from([0, 1, 2, 255, 256, 70_000]))
    if draw(st.integers(0, 15)) == 0:
        code, number, forms = draw(st.sampled_from([*OF_A_CLUSTER])), "-01", OF_A_CLUSTER
    else:
        code, number, forms = draw(st.sampled_from(_WEIGHTED)), f"{proc:03d}", FORMS
    body = draw(st.sampled_from(forms[code])).replace("{cluster}", str(cluster)).replace("{proc}", str(proc))
    if "@" in body:
        body = body.replace("@", draw(TEXTS), 1)
    return f"{code:03d} ({cluster:03d}.{number}.000) \0 {body}...\n"


# What changes states is drawn more often than what does not.
_WEIGHTED = [*FORMS, *(4 * [0, 1, 4, 5, 9, 12, 13, 28]), *(12 * [8])]


@st.composite
def logs(draw: st.DrawFn, max_events: int = 40) -> bytes:
    """A whole log: each event at most some seconds after the one before."""
    dates = draw(st.sampled_from(DATES))
    zone = draw(st.sampled_from(["", "Z"])) if "/" not in dates else ""
    now = START
    text = ""
    for event in draw(st.lists(events(), max_size=max_events)):
        now += timedelta(seconds=draw(st.integers(0, 7)))
        text += event.replace("\0", f"{now:{dates}}{zone}", 1)
    return text.encode()


Damage = Callable[[bytes], bytes]
# What a crash or a full disk leaves in a log, and lines that look like its own.
DEBRIS = (
    b"",
    b"\n",
    bytes(1),
    bytes(300),
    b"garbage\n",
    b"\xff\xfe",
    b"...\n",
    b"\r\n",
    b"</c>\n",
    b"<c>\n",
    b'    <a n="X"><c>',
    f"{HEADER}\n".encode(),
    b"009 (008.001.000) 2026-11-22 18:00:00 Job was aborted.\n\tvia condor_rm\n...\n",
    b"000 (009.000.000) 2026-11-22 18:00:00 Job submitted\n    EWMSTaskforceUUID=TF-8\n",
)


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """What damages a log: at some places, something is missing and something else stands there."""
    places = draw(
        st.lists(st.tuples(st.floats(0, 1), st.integers(0, 120), st.sampled_from(DEBRIS)), max_size=4)
    )

    def damage(content: bytes) -> bytes:
        for where, missing, debris in places:
            at = int(where * len(content))
            content = content[:at] + debris + content[at + missing :]
        return content

    return damage
