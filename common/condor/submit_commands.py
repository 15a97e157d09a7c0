"""An operator's own submit commands and job attributes, for every job: read from one line, and gated.

`accounting_group = group_x.ewms; +ProjectName = "IceCube"` is such a line: a semicolon separates two items,
unless it is in a string. HTCondor takes a misspelt command without a word, and an attribute can mean anything
to it. So only some commands pass, and any attribute but HTCondor's own and those that bind a job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from common.condor.expressions import submit_language
from common.condor.submit_text import why_not_plain

MOST_CHARACTERS = 10_000  # of the whole line

# An item, for example ` +ProjectName = "a; b"`; what is in a string does not end it.
_ITEM = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*")+')
_NAME = re.compile(r"\+?[A-Za-z_]\w{0,99}", re.ASCII)

# What HTCondor itself calls a name of a group or of a user is wider, and differs by version.
_GROUP = re.compile(r"[\w.@/-]+", re.ASCII)
# For example `database, license.x:2`
_LIMITS = re.compile(r"[A-Za-z_][\w.]*(?::\d+)?(?:, ?[A-Za-z_][\w.]*(?::\d+)?)*", re.ASCII)

# Attributes that HTCondor gives a job, or acts upon: those in the ads of jobs that ran (23.9.6 and 25.14.1; a
# test on the pool compares them), and those of the manual that start, end, hold, move or change a job. Where
# an operator may set one, its command does it.
_FAMILIES = re.compile(
    r"(?:_condor|Activation|Allowed|AuthToken|AutoCluster|Block|Bytes|Checkpoint|Committed|Container|Cron"
    r"|Cumulative|DAG|Deferral|Docker|EC2|Encrypt|EWMS|ExecutableSize|Grid|Hold|JobCurrent|JobFactory"
    r"|JobMaterialize|JobStarter|Last|MachineAttr|Num|OAuth|OnExit|Periodic|Recent|Remote|Remove|Request"
    r"|Singularity|Spool|Stage|Stats|Stream|SubmitEvent|SuccessCheckpoint|Timer|Transfer|UserLog|Vacate"
    r"|WantCheckpoint|WantContainer|WantDocker|WantFT|WantIO|WantRemote|X509)\w*"
    r"|\w+(?:EventLogged|Provisioned|Usage|_RAW)",
    re.ASCII | re.IGNORECASE,
)
_OWN = frozenset(
    """
    AccountingGroup AcctGroup AcctGroupUser AppendFiles Args Arguments ClusterId ClusterSize Cmd
    CommonInputCatalogs CommonInputFiles CompletionDate ConcurrencyLimits CondorPlatform CondorVersion
    CoreSize CurrentHosts EmailAttributes EnteredCurrentStatus Env Environment
    EraseOutputAndErrorOnRestart Err ExecuteDirWasEncrypted ExitBySignal ExitCode ExitReason ExitSignal
    ExitStatus FetchFiles FileSystemDomain FirstJobMatchDate GlobalJobId ImageSize In InitialWaitDuration
    Iwd JarFiles JavaVMArgs JobAdInformationAttrs JobBatchName JobCoreFileName JobDescription JobDuration
    JobFinishedHookDone JobLeaseDuration JobMaxVacateTime JobNotification JobPid JobPrio JobRunCount
    JobsHeld JobsIdle JobsPresent JobsRunning JobStartDate JobState JobStatus JobSubmitFile
    JobSubmitMethod JobUniverse KeepClaimIdle KillSig KillSigTimeout LeaveJobInQueue LimitDirectoryAccess
    LocalFiles MaxHosts MaxJobRetirementTime MaxRetries MinHosts MyType NiceUser NoopJob NoopJobExitCode
    NoopJobExitSignal NotifyUser OriginalTime OrigIwd OrigMaxHosts OsUser Out OutputDestination Owner
    PostJobPrio1 PostJobPrio2 PreJobPrio1 PreJobPrio2 PreserveRelativePaths ProcId ProvisionedResources
    PublicClaimId PublicInputFiles QDate Rank ReleaseReason RequireGPUs Requirements ResidentSetSize
    RootDir ScitokensFile ScratchDirFileCount SendCredential ServerTime ShadowBday ShouldTransferFiles
    SkipIfDataflow StackSize StartdIpAddr StartdPrincipal StarterIpAddr StderrMtime StdoutMtime
    SubmitVersion TargetType TerminationPending ToE TotalSubmitProcs TotalSuspensions User
    WantDelayedUpdates WantGracefulRemoval WantSandboxImage WhenToTransferOutput
    """.lower().split()
)


def read_commands(text: str) -> dict[str, str]:
    """The commands and attributes (`+Name`) of a line, each value as the submit language has it.

    Raises ValueError, which names the first wrong one and repeats no value.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has more than {MOST_CHARACTERS} characters")
    commands: dict[str, str] = {}
    for number, (name, value) in enumerate(_items(text), 1):
        if not _NAME.fullmatch(name):
            raise ValueError(f"has no command or +ATTRIBUTE before the = of item {number}")
        name = name if name.startswith("+") else name.lower()
        if name.lower() in map(str.lower, commands):
            raise ValueError(f"has {name} twice")
        try:
            commands[name] = _read_value(name, value)
        except ValueError as error:
            raise ValueError(f"has {name}, which {error}") from None
    return commands


def _items(text: str) -> Iterator[tuple[str, str]]:
    """`a = 1; +B = "x;y"` -> ("a", "1"), ("+B", '"x;y"')."""
    if '"' in _ITEM.sub("", text):
        raise ValueError("has a string without its end")
    for item in _ITEM.findall(text):
        if item.strip():
            name, equals, value = item.partition("=")
            if not equals:
                raise ValueError("must be COMMAND = VALUE or +ATTRIBUTE = VALUE, separated by semicolons")
            yield name.strip(), value.strip()


def _read_value(name: str, value: str) -> str:
    """A command's value; raises ValueError with the end of a sentence."""
    read: Callable[[str], str] = _expression
    if name.startswith("+"):
        if is_htcondors(name[1:]):
            raise ValueError("HTCondor or the starter sets itself")
    elif name in _COMMANDS:
        read = _COMMANDS[name]
    elif not re.fullmatch(r"request_(?!cpus$|memory$|disk$)[a-z]\w*", name):
        raise ValueError(f"is none of: {', '.join(_COMMANDS)}, +ATTRIBUTE")
    if problem := why_not_plain(value):
        raise ValueError(problem)
    if not value:
        raise ValueError("has no value")
    return read(value)


def is_htcondors(attribute: str) -> bool:
    """Whether a job's attribute is HTCondor's or the starter's own, so that no operator sets it."""
    from common.condor.protection import (
        BINDING,
    )  # here, because settings without it are read without HTCondor

    binding = {name.lower() for name in BINDING}
    return attribute.lower() in _OWN | binding or bool(_FAMILIES.fullmatch(attribute))


def _expression(value: str) -> str:
    try:
        return submit_language(value)
    except ValueError:
        raise ValueError("must be a ClassAd expression, with text in double quotes") from None


def _seconds(value: str) -> str:
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise ValueError("must be a number of seconds")
    return value


def _alike(pattern: re.Pattern[str], description: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"must be {description}")
        return value

    return read


_COMMANDS: dict[str, Callable[[str], str]] = {
    "accounting_group": _alike(_GROUP, "a group's name"),
    "accounting_group_user": _alike(_GROUP, "a user's name"),
    "concurrency_limits": _alike(_LIMITS, "names of limits, as in a, b:2"),
    "nice_user": _alike(re.compile(r"(?i:true|false)"), "true or false"),
    "rank": _expression,
    "request_gpus": _expression,
    "require_gpus": _expression,
    "max_job_retirement_time": _seconds,
    "job_max_vacate_time": _seconds,
    "job_lease_duration": _seconds,
    "keep_claim_idle": _seconds,
}
