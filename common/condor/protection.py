"""The attributes of its own ad that a job must not be able to change, and which of them it can change.

A pilot's chirps need WantRemoteUpdates, and with it a job may set any attribute of its own ad. HTCondor then
acts upon it with the rights of our account: at once where it writes the job event log, and elsewhere when the
job starts again, which OnExitRemove makes it do. So the attributes that bind a job have to be immutable, and
only the schedd's configuration can make them so. That list holds against chirps and edits, and anybody may
read it (all measured, 23.9.6 and 25.14.1).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import htcondor2

from common.errors import ScheddUnavailable

# A job set each of them, and got a file of ours, changed one or the log, or had credentials sent; or it is
# of the same kind and acts where a test pool has nothing. docs/security.md has the observations. The
# list holds for all users of an access point, so what they do change of queued jobs is not in it.
BINDING = (
    # which events are written, where, and in which form
    *("UserLog", "UserLogUseXML", "JobAdInformationAttrs", "DAGManNodesLog"),
    # which files are read for a job
    *("Cmd", "Iwd", "In", "TransferIn", "TransferExecutable", "TransferInput", "TransferPlugins"),
    *("PublicInputFiles", "CommonInputFiles", "CommonInputCatalogs", "DataReuseManifestSHA256"),
    *("ToolDaemonCmd", "ToolDaemonInput"),
    # which files are written, or deleted, for a job
    *("Out", "Err", "TransferOutputRemaps", "OutputDestination", "CheckpointDestination", "JobStarterLog"),
    *("JobStarterDebug", "ManifestDesired", "ManifestDir", "ToolDaemonOutput", "ToolDaemonError"),
    # how far that may reach, and with whose credentials
    *("LimitDirectoryAccess", "WantIOProxy", "X509UserProxy", "OAuthServicesNeeded", "SendCredential"),
    *("DockerSendCredentials", "ClaimStartd", "ReleaseClaim"),
    # which other jobs the schedd removes when this one ends, whosever they are, and which it writes into
    *("OtherJobRemoveRequirements", "DAGManJobId"),
    # whether it runs again, what an administrator's programs do with it, and whose it is
    *("OnExitRemove", "LeaveJobInQueue", "JobUniverse", "HookKeyword", "EWMSTaskforceUUID"),
)
PROBE_ATTRIBUTE = "EWMSProbe"

# The schedd refused each to a job's chirps. The queue's administrators can change a protected attribute.
_LISTS = ("IMMUTABLE_JOB_ATTRS", "SYSTEM_IMMUTABLE_JOB_ATTRS", "PROTECTED_JOB_ATTRS")
_TRANSFORMS = "JOB_TRANSFORM_"  # before the name of each transform of the schedd's configuration
_HARMLESS = "EWMSProbeAnswer"
# The error for an attribute that may not be changed, and for a job that is not there. Asked for a job by its
# id, 23.9.6 may report a change that it did not make (measured).
REFUSED = "Unable to edit jobs matching constraint"


def configuration(attributes: Iterable[str]) -> str:
    """The line of the access point's configuration that makes `attributes` immutable, for a person."""
    return f"IMMUTABLE_JOB_ATTRS = $(IMMUTABLE_JOB_ATTRS) {' '.join(attributes)}"


def explain_open(attributes: Collection[str]) -> str:
    """Why it matters that jobs can change these, and how to prevent it, in one line for a person."""
    return (
        f"a job can change {len(attributes)} attribute(s) that keep it from files and logs of this account"
        " and from others' jobs;"
        f" this closes it in the access point's configuration: {configuration(attributes)}"
    )


def open_by_list(location: Any, among: Iterable[str] = BINDING) -> list[str]:
    """The attributes of `among` that the schedd at `location` does not call immutable.

    Raises HTCondorException if it does not give its list. Safe to repeat.
    """
    asked = htcondor2.RemoteParam(location)
    text = " ".join(str(asked.get(name, "")) for name in _LISTS)
    listed = set(text.replace(",", " ").lower().split())  # HTCondor, too, takes either, and ignores case
    return [attribute for attribute in among if attribute.lower() not in listed]


def in_transforms(location: Any) -> set[str]:
    """Every word, in small letters, of the transforms that the schedd at `location` applies to jobs.

    A transform changes each job's own ad at its submit, so what it names may differ from the cluster's (seen,
    23.9.6 and 25.14.1). Raises HTCondorException.
    """
    asked = htcondor2.RemoteParam(location)
    names = str(asked.get(f"{_TRANSFORMS}NAMES", "")).replace(",", " ").split()
    texts = [str(asked.get(f"{_TRANSFORMS}{name}", "")) for name in names]
    return set(re.findall(r"\w+", " ".join(texts).lower()))


def open_by_proof(schedd: Any, tag: str) -> list[str]:
    """The binding attributes that could be changed in a job of ours, which is made for this and removed.

    The job is held from the start. It carries no taskforce's id and has no log, so no worker takes it for a
    taskforce's. `tag` distinguishes it from other instances' probes; one that a kill left is removed first.
    Raises HTCondorException, and ScheddUnavailable if the job proves nothing. Safe to repeat.
    """
    _remove(schedd, tag)
    job = f"ClusterId == {int(schedd.submit(htcondor2.Submit(_probe(tag)), count=1).cluster())}"
    try:
        changed = [attribute for attribute in BINDING if _can_change(schedd, job, attribute)]
        if not _can_change(schedd, job, _HARMLESS):  # gone, or none of its attributes can be changed
            raise ScheddUnavailable(
                "no attribute of a held job of ours can be changed: its refusals prove nothing"
            )
    finally:
        _remove(schedd, tag)
    return changed


def _probe(tag: str) -> dict[str, str]:
    return {
        "universe": "vanilla",
        "executable": "/bin/true",
        "transfer_executable": "false",
        "should_transfer_files": "YES",
        "initialdir": "/",
        "requirements": "false",
        "hold": "true",
        "+LimitDirectoryAccess": '"/nonexistent"',
        f"+{PROBE_ATTRIBUTE}": f'"{tag}"',
    }


def _can_change(schedd: Any, job: str, attribute: str) -> bool:
    try:  # the schedd itself looks at the universe: that stays what it is (vanilla)
        schedd.edit(job, attribute, "5" if attribute == "JobUniverse" else "undefined")
    except htcondor2.HTCondorException as error:
        if REFUSED in str(error):
            return False
        raise
    return True


def _remove(schedd: Any, tag: str) -> None:
    schedd.act(htcondor2.JobAction.Remove, f'{PROBE_ATTRIBUTE} == "{tag}"', reason=("EWMS: a probe", 0))
