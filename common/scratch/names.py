"""The scratch directory (JOB_EVENT_LOG_DIR): every name below it, and its meaning.

YYYY-MM-DD.tms.jel                    job event log, shared by the taskforces that start that day
YYYY-MM-DD.tms.jel.gz                 the same, compressed; further ones are YYYY-MM-DD.2.tms.jel.gz and so on
ewms-taskforce-<uuid>.tar.gz          archive of the directory below, numbered alike (0600)
ewms-taskforce-<uuid>/                files that one taskforce's jobs need and bring back (0700)
    ewms_htcondor_envfile.sh          the pilot's environment, with queue tokens (0600)
    inputs/                           copies of the user's input files
    cluster-<ClusterId>/<ProcId>.out  and .err, where the user wants the workers' output
.tms/                                 our own, private (0700)
    <worker>.lock                     held by the one instance of each worker
    phase.lock                        held while the last phase of a taskforce is decided and posted
    <worker>.heartbeat                when its last pass ended
    intents/<uuid>.json               starts that have begun and are not confirmed
    queue.json                        the job queue that has this directory's clusters
    attempt                           which taskforce's files the starter looks at now, and for which time
    damaged/<uuid>.json               records that could not be read any more
    leaving/                          archives in the making, and files about to be deleted
"""

from __future__ import annotations

import re

LOG_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.tms\.jel", re.ASCII)
LOG_ARCHIVE_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\d{1,6})?\.tms\.jel\.gz", re.ASCII)
DIRECTORY_NAME = re.compile(r"ewms-taskforce-([\w-]{1,128})", re.ASCII)
DIRECTORY_ARCHIVE_NAME = re.compile(r"ewms-taskforce-([\w-]{1,128})(?:\.\d{1,6})?\.tar\.gz", re.ASCII)
INPUTS = "inputs"
ENVFILE = "ewms_htcondor_envfile.sh"  # the pilot looks for exactly this name in its working directory
