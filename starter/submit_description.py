"""A taskforce as an HTCondor submit description: a closed set of commands, every user's value gated."""

from __future__ import annotations

import re
from pathlib import Path

from common.condor.records import UUID_ATTRIBUTE
from common.errors import SubmitRejected
from common.scratch.names import ENVFILE
from common.settings import Settings
from common.sites import RESOURCE
from common.wms.contract import NewTaskforce
from starter import gate
from starter.input_files import input_files
from starter.late import MAX_IDLE, MAX_MATERIALIZE, late_materialization
from starter.run_time import limit_run_time

MAX_INT = 2**31 - 1
IMAGE_SOURCES = ("cvmfs", "auto")  # both mean the pilot on CVMFS

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
# Every command that a description of ours may have.
_COMMANDS = frozenset(
    (
        "universe container_image transfer_container transfer_executable requirements request_cpus"
        " request_memory request_disk priority initialdir should_transfer_files when_to_transfer_output"
        " transfer_input_files transfer_output_files log batch_name submit_event_user_notes"
        f" ulog_execute_attrs {MAX_IDLE} {MAX_MATERIALIZE}"
        f" +{UUID_ATTRIBUTE} +WantRemoteUpdates +LimitDirectoryAccess"
        " +FileSystemDomain +OriginalTime output error periodic_remove +PeriodicRemoveReason"
    ).split()
)


def describe(taskforce: NewTaskforce, settings: Settings, directory: Path, log: Path) -> dict[str, str]:
    """The submit description of `taskforce`, whose files are in `directory`; raises SubmitRejected.

    Commands as in HTCondor's manual, condor_submit. The values are text, as the WMS stores them.
    """
    uuid = taskforce.taskforce_uuid
    pilot, worker = taskforce.pilot_config, taskforce.worker_config
    files = input_files(pilot.input_files, settings)
    description = {
        "universe": "container",
        "container_image": pilot_image(settings.cvmfs_pilot_path, pilot.image_source, pilot.tag),
        "transfer_container": "false",  # it is on CVMFS wherever the requirements hold
        "transfer_executable": "false",  # the image's own runscript is what runs
        "requirements": gate.requirements(
            settings.requirements, settings.excluded_sites, worker.condor_requirements
        ),
        "request_cpus": gate.number("n_cores", worker.n_cores, least=1, most=4096),
        "request_memory": str(gate.size("worker_memory", worker.worker_memory, unit=2**20)),
        "request_disk": str(gate.size("worker_disk", worker.worker_disk, unit=2**10)),
        "priority": priority(worker.priority, workers(taskforce)),
        "initialdir": str(directory),
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT_OR_EVICT",
        "transfer_input_files": ", ".join([*files.to_transfer(directory), str(directory / ENVFILE)]),
        "transfer_output_files": '""',  # nothing but the worker's stdout and stderr
        "log": str(log),
        "batch_name": uuid,
        # So the event log itself names each cluster's taskforce. Beside a batch name only *user* notes reach
        # the log's text (measured, 25.14.1). They are written once, by the submit: what a job's events print
        # later (job_ad_information_attrs) is evaluated in the job's own ad, which the job can change, and a
        # string with line breaks would write any event into the log (measured, 23.9.6 and 25.14.1).
        "submit_event_user_notes": f"{UUID_ATTRIBUTE}={uuid}",
        f"+{UUID_ATTRIBUTE}": f'"{uuid}"',
        # So each start in the log has its place. A machine prints its own values there, as literals, and
        # no line break of them comes through (measured, 23.9.6 and 25.14.1; docs/security.md).
        "ulog_execute_attrs": ", ".join(dict.fromkeys((*settings.site_attributes, RESOURCE))),
        # Lets the pilot chirp. WantIOProxy would do so, too, and would let every job read and write every
        # file of our account (measured, 23.9.6 and 25.14.1).
        "+WantRemoteUpdates": "true",
        "+LimitDirectoryAccess": f'"{files.reach(directory)}"',
        "+FileSystemDomain": '"blah"',  # no execution point shares a file system with us
        "+OriginalTime": gate.number("max_worker_runtime", worker.max_worker_runtime, least=0, most=MAX_INT),
    }
    if worker.do_transfer_worker_stdouterr:
        # Relative to initialdir. The shadow makes the directory when the first job ends (measured).
        description["output"] = "cluster-$(ClusterId)/$(ProcId).out"
        description["error"] = "cluster-$(ClusterId)/$(ProcId).err"
    if settings.max_runtime_enforced:
        description |= limit_run_time(worker.max_worker_runtime)
    description |= late_materialization(workers(taskforce), settings)
    description |= settings.submit_commands
    return gate.sealed(description, _COMMANDS | settings.submit_commands.keys())


def workers(taskforce: NewTaskforce) -> int:
    """How many jobs the cluster gets; raises SubmitRejected for none (HTCondor would make it one)."""
    if taskforce.n_workers is None or not 1 <= taskforce.n_workers <= MAX_INT:
        raise SubmitRejected(f"n_workers must be at least 1, not {taskforce.n_workers}")
    return taskforce.n_workers


def pilot_image(base: str, source: str, tag: str) -> str:
    """Where the pilot's image of this tag is; raises SubmitRejected."""
    if source.lower() not in IMAGE_SOURCES:
        raise SubmitRejected(f"image_source must be one of {', '.join(IMAGE_SOURCES)}, not {source!r}")
    if not _TAG.fullmatch(tag):
        raise SubmitRejected(f"tag is no image tag: {tag!r}")
    return f"{base}:{tag}"


def priority(first: int, n_workers: int) -> str:
    """Each job's priority: from `first` down to half of it, so that later taskforces run beside this one."""
    gate.number("priority", first, least=-MAX_INT, most=MAX_INT)
    if n_workers > 1 and first > 1:
        return f"{first} - ( ($(ProcId) * {first // 2}) / {n_workers - 1} )"
    return str(first)
