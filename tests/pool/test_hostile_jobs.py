"""Jobs that change their own ads to reach files of the account and the log that all taskforces share.

On a stock schedd they do: should a harm vanish, HTCondor has changed. With the configuration that the service
asks for, nothing is read, nothing is changed, and no event is forged, whatever a job sets, in any order.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.condor.protection import BINDING, configuration
from tests.pool.any_job import AnyJob, submit_any
from tests.sandbox.control import PoolClient
from tests.waiting import eventually

# What yields line breaks when HTCondor evaluates it; the text of a chirp or an attribute cannot have any.
FORGED = 'formatTime(0, "x%n...%nFORGED%n036 (999.-01.000) 2026-11-22 18:00:00 Cluster removed%n...%n")'

# What a job sets; {secret} is a private file of the account, {place} its directory.
READS = {
    "In": [("In", '"{secret}"'), ("TransferIn", "true")],
    "TransferInput": [("TransferInput", '"{secret}"')],
    "PublicInputFiles": [("PublicInputFiles", '"{secret}"')],
}
READS_25 = {
    "CommonInputFiles": [("CommonInputFiles", '"{secret}"'), ("HasCommonFilesTransfer", "true")],
    "CommonInputCatalogs": [("CommonInputCatalogs", '"mine"'), ("_x_catalog_mine", '"{secret}"')],
}
WRITES = {
    "UserLog": [("UserLog", '"{secret}"')],
    "DAGManNodesLog": [("DAGManNodesLog", '"{secret}"')],
    "Out": [("Out", '"{secret}"'), ("TransferOut", "true")],
    "Err": [("Err", '"{secret}"'), ("TransferErr", "true")],
    "Iwd": [("Iwd", '"{place}"')],
    "TransferOutputRemaps": [("TransferOutput", '"o"'), ("TransferOutputRemaps", '"o={secret}"')],
    "JobStarterLog": [("JobStarterDebug", "true"), ("JobStarterLog", '"{secret}"')],
    "ManifestDir": [("ManifestDesired", "true"), ("ManifestDir", '"{place}"')],
}

BODY = """
for attribute, value in {moves!r}:
    if runs < 2:
        time.sleep({pause!r})
        tries("set_job_attr", attribute, value)
found = set()
for root, _, files in os.walk("."):
    for name in files:
        path = os.path.join(root, name)
        if os.path.isfile(path) and name != "program.py":
            found |= set(re.findall(r"canary-\\w+", open(path, errors="replace").read(100_000)))
found |= set(re.findall(r"canary-\\w+", "" if sys.stdin.isatty() else sys.stdin.read(100_000)))
open("o", "w").write("written")
print("run", runs, "of the job; LEAKED" if found else "of the job", *found)
sys.stderr.write("written")
"""


Moves = list[tuple[str, str]]  # attributes of its ad, with the values that a job gives them


@dataclass(frozen=True)
class Target:
    """A private file of the account beside the taskforce's directory, and the job that is after it."""

    place: Path
    job: AnyJob

    @property
    def secret(self) -> Path:
        return self.place / "secret"

    def harm(self) -> set[str]:
        """What the job has reached: nothing, if all is well."""
        harm = {"read"} if "LEAKED" in self.job.output else set()
        if [path.name for path in self.place.iterdir()] != [
            "secret"
        ] or self.secret.read_text() != "canary-1":
            harm.add("changed")
        if re.search(r"(?m)^FORGED", self.job.events()):
            harm.add("forged")
        return harm


def attack(pool: PoolClient, directory: Path, name: str, moves: Moves, pause: float = 0) -> Target:
    """Submit a job that does these, and then has itself started once more."""
    place = directory / f"{name}-private"
    place.mkdir(mode=0o700)
    (place / "secret").write_text("canary-1")
    (place / "secret").chmod(0o600)
    filled = [(attribute, value.format(secret=place / "secret", place=place)) for attribute, value in moves]
    again = [("LimitDirectoryAccess", '"/"'), *filled, ("OnExitRemove", "NumJobStarts > 1")]
    home = directory / name
    home.mkdir()
    return Target(place, submit_any(pool, home, BODY.format(moves=again, pause=pause)))


def all_ended(targets: dict[str, Target], seconds: float) -> None:
    """Wait until all have ended, but not for longer than this."""

    def ended() -> bool:
        return all(
            any(map(target.job.has, (5, 9, 12))) or "UserLog" in name for name, target in targets.items()
        )

    deadline = time.monotonic() + seconds
    while not ended() and time.monotonic() < deadline:
        time.sleep(0.5)


def all_over(pool: PoolClient, targets: dict[str, Target], seconds: float) -> dict[str, set[str]]:
    """What each has reached when all have ended; what still runs is removed."""
    all_ended(targets, seconds)

    def queued() -> bool:
        return bool(pool.tool("condor_q", "-all", "-af", "ClusterId").stdout.strip())

    pool.tool("condor_rm", "-all", check=False)
    deadline = time.monotonic() + 20
    while queued() and time.monotonic() < deadline:
        time.sleep(0.2)
    pool.tool("condor_rm", "-forcex", "-all", check=False)  # one may have set its status to a removed job's
    eventually(lambda: not queued(), "all are gone", 30)
    return {name: target.harm() for name, target in targets.items()}


@pytest.fixture
def protected(pool: PoolClient) -> Iterator[None]:
    """The schedd as the service asks its administrator for it."""
    pool.configure(configuration(BINDING))
    yield
    pool.configure()


@pytest.fixture
def evicting(pool: PoolClient) -> Iterator[None]:
    """The same, on a pool that starts jobs again: whatever a job could set counts from then on."""
    pool.configure(configuration(name for name in BINDING if name != "OnExitRemove"))
    yield
    pool.configure()


def attacks(pool: PoolClient) -> dict[str, Moves]:
    return READS | WRITES | (READS_25 if pool.version.startswith("25") else {})


def test_on_a_stock_schedd_each_of_these_reaches_a_private_file(pool: PoolClient, directory: Path) -> None:
    targets = {name: attack(pool, directory, name, moves) for name, moves in attacks(pool).items()}
    harm = all_over(pool, targets, seconds=60)
    assert {name for name, seen in harm.items() if "read" in seen} == attacks(pool).keys() - WRITES.keys()
    assert {name for name, seen in harm.items() if "changed" in seen} == WRITES.keys()


@pytest.mark.usefixtures("protected")
def test_with_the_printed_configuration_none_of_them_does(pool: PoolClient, directory: Path) -> None:
    targets = {name: attack(pool, directory, name, moves) for name, moves in attacks(pool).items()}
    harm = all_over(pool, targets, seconds=60)
    assert {name: seen for name, seen in harm.items() if seen} == {}
    assert all("run 0 of the job" in target.job.output for target in targets.values())


REMOVES = [("OtherJobRemoveRequirements", '"EWMSTaskforceUUID isnt undefined"')]


def bystander(pool: PoolClient, directory: Path) -> AnyJob:
    """A job of another taskforce that waits for a machine."""
    home = directory / "bystander"
    home.mkdir(parents=True)
    return submit_any(pool, home, "pass", requirements="false")


def ad_of(pool: PoolClient, job: AnyJob) -> dict[str, object]:
    """What the queue has of a job and of its cluster, without what the negotiator notes."""
    shown = pool.tool("condor_q", str(job.cluster_id), "-json").stdout
    ads: list[dict[str, object]] = json.loads(shown or "[]")
    own = re.compile("LastRej|LastMatch|AutoCluster|ServerTime|JobsIdle|ClusterSize")
    return {name: value for ad in ads for name, value in ad.items() if not own.match(name)}


def test_on_a_stock_schedd_a_job_that_ends_removes_those_of_others(pool: PoolClient, directory: Path) -> None:
    other = bystander(pool, directory)
    attack(pool, directory, "removes", REMOVES).job.ends(60)
    eventually(lambda: other.has(9), "the other job is removed", 30)
    assert "OtherJobRemoveRequirements" in other.events()


@pytest.mark.usefixtures("protected")
def test_with_the_printed_configuration_it_removes_none(pool: PoolClient, directory: Path) -> None:
    other = bystander(pool, directory)
    target = attack(pool, directory, "removes", REMOVES)
    target.job.ends(60)
    eventually(lambda: "set_job_attr OtherJobRemoveRequirements" in target.job.output, "its output is back")
    time.sleep(2)
    assert pool.tool("condor_q", str(other.cluster_id), "-af", "JobStatus").stdout.split() == ["1"]
    pool.tool("condor_rm", "-all")


EVENTS = {
    "what we asked for once": [("EWMSTaskforceUUID", FORGED)],
    "reasons": [
        (name, FORGED)
        for name in ("HoldReason", "RemoveReason", "ReleaseReason", "VacateReason", "ExitReason", "GridJobId")
    ],
    "a hold": [("OnExitHoldReason", FORGED), ("OnExitHold", "true")],
    "a policy's hold": [("PeriodicHoldReason", FORGED), ("PeriodicHold", "true")],
    "resources": [
        ("ProvisionedResources", '"Cpus Foo"'),
        *(
            (name, FORGED)
            for name in ("AssignedCpus", "CpusUsage", "AssignedFoo", "RequestFoo", "FooProvisioned")
        ),
    ],
    "a machine's": [("UserLogExecuteEventAttrs", '"Mine"'), ("Mine", FORGED)],
    "names": [
        (name, FORGED) for name in ("JobBatchName", "DAGNodeName", "SubmitEventUserNotes", "TransferInput")
    ],
    "raw line breaks": [("Mine", "1\n...\nFORGED\n"), ("Other", '"x\r\n...\r\nFORGED"')],
}


def test_no_text_of_a_job_begins_a_line_of_the_log(pool: PoolClient, directory: Path) -> None:
    targets = {
        name: attack(pool, directory, f"e{at}", moves) for at, (name, moves) in enumerate(EVENTS.items())
    }
    chirps = ("a\n...\nFORGED", "a\r\n...\r\nFORGED", "x" * 1022 + "\n...\nFORGED", "...", "\n...\nFORGED")
    ulog = "".join(
        f'with HTChirp() as chirp:\n    tries("ulog", {text!r})\n'
        for text in (*chirps, "FORGED is text here")
    )
    home = directory / "ulog"
    home.mkdir()
    targets["chirps"] = Target(targets["reasons"].place, submit_any(pool, home, ulog))
    harm = all_over(pool, targets, seconds=60)
    assert {name for name, seen in harm.items() if "forged" in seen} == set()
    assert "FORGED is text here" in targets["chirps"].job.events()


def test_no_reason_of_a_person_begins_a_line_of_the_log(pool: PoolClient, directory: Path) -> None:
    text = "x\n...\nFORGED\n036 (999.-01.000) 2026-11-22 18:00:00 Cluster removed\n...\n"
    job = submit_any(pool, directory, "pass", requirements="false")
    for tool in ("condor_hold", "condor_release", "condor_rm"):
        pool.tool(tool, "-reason", text, str(job.cluster_id))
        time.sleep(1)
    log = job.ends()
    assert not re.search(r"(?m)^FORGED", log)
    assert "FORGED" in log or "unspecified" in log


def test_what_the_log_is_asked_to_show_of_an_ad_forges_events_on_a_stock_schedd(
    pool: PoolClient, directory: Path
) -> None:
    """Neither do we ask for it any more, nor can a job where the schedd is configured."""
    ours = submit_any(
        pool,
        directory,
        f'tries("set_job_attr", "EWMSTaskforceUUID", {FORGED!r})',
        job_ad_information_attrs="EWMSTaskforceUUID",
    )
    moves = [("Mine", FORGED), ("JobAdInformationAttrs", '"Mine"')]
    theirs = attack(pool, directory, "theirs", moves)
    assert re.search(r"(?m)^FORGED", ours.ends(60)), "the pool has changed: attributes are escaped now"
    assert "forged" in all_over(pool, {"theirs": theirs}, seconds=60)["theirs"]


@pytest.mark.usefixtures("protected")
def test_where_the_schedd_is_configured_a_job_cannot_ask_for_it_either(
    pool: PoolClient, directory: Path
) -> None:
    moves = [("Mine", FORGED), ("JobAdInformationAttrs", '"Mine"'), ("UserLogUseXML", "true")]
    target = attack(pool, directory, "theirs", moves)
    assert all_over(pool, {"theirs": target}, seconds=60) == {"theirs": set()}
    assert "<c>" not in target.job.events()


OTHERS = [
    "TransferOutput",
    "StreamIn",
    "StreamOut",
    "StreamErr",
    "TransferErr",
    "TransferOut",
    "TransferInputRemaps",
    "SpooledOutputFiles",
    "StageInFinish",
    "X509UserProxySubject",
    "JarFiles",
    "TransferCheckpoint",
    "SuccessCheckpointExitCode",
    "RemoteIwd",
    "OrigIwd",
    "Environment",
    "Env",
    "Args",
    "Arguments",
    "ContainerImage",
    "WantContainer",
    "SingularityImage",
    "TransferContainer",
    "PeriodicHold",
    "PeriodicRelease",
    "PeriodicRemove",
    "OnExitHold",
    "EncryptInputFiles",
    "CommonInputFilesMine",
    "ContainerIsCommon",
    "JobCoreFileName",
    "CoreSize",
    "Requirements",
    "RequestMemory",
    "JobPrio",
    "JobLeaseDuration",
    "MaxHosts",
    "Rank",
    "NotifyUser",
    "UserLogExecuteEventAttrs",
    "DAGNodeName",
    "EraseOutputAndErrorOnRestart",
    "MountUnderScratch",
    "WantFTOnCheckpoint",
]
# Every attribute that HTCondor knows; tests.pool.sweep tries each of them by itself.
ALL = tuple(Path(__file__).with_name("attributes.txt").read_text().split())
VALUES = (
    '"true"',
    '"{secret}"',
    '"{place}"',
    '"file://{secret}"',
    '"o={secret}"',
    '"../../{secret}"',
    '"{place}/../{place}/secret"',
    "true",
    "false",
    "1",
    "undefined",
    "error",
    '""',
    '"/"',
    '"Mine"',
    FORGED,
    'strcat("{place}", "/secret")',
    'ifThenElse(NumJobStarts > 0, "{secret}", "/dev/null")',
    "NumJobStarts < 2",
    "0",
    "3",
    "4",
    "5",
    "-1",
    "2147483647",
    '{{ "{secret}", "o" }}',
    '[ In = "{secret}" ]',
)


def random_moves(chance: random.Random) -> Moves:
    """What a hostile job may think of: attributes and values, in any order."""
    names = [*BINDING, *OTHERS, "Mine", *BINDING]
    return [
        (chance.choice(chance.choice((names, names, ALL))), chance.choice(VALUES))
        for _ in range(chance.randint(1, 12))
    ]


@pytest.mark.usefixtures("evicting")
def test_whatever_jobs_set_in_any_order_reaches_nothing(pool: PoolClient, directory: Path) -> None:
    """A dozen jobs; for FUZZ_SECONDS a dozen after the other, each from a seed that a failure names."""
    ends = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "0"))
    seed = int(os.environ.get("HOSTILE_SEED") or (time.time_ns() if "FUZZ_SECONDS" in os.environ else 1))
    again, expected = 0, set()
    while True:
        chance = random.Random(seed)
        names = [f"s{seed}n{number}" for number in range(12)]
        other = bystander(pool, directory / f"o{seed}")
        before = ad_of(pool, other)
        targets = {
            name: attack(pool, directory, name, random_moves(chance), chance.random() / 10) for name in names
        }
        all_ended(targets, seconds=25)
        assert ad_of(pool, other) == before, f"HOSTILE_SEED={seed}"
        harm = all_over(pool, targets, seconds=0)
        assert {name: seen for name, seen in harm.items() if seen} == {}, f"HOSTILE_SEED={seed}"
        expected |= {*names, *(f"{name}-private" for name in names), f"o{seed}"}
        assert {path.name for path in directory.iterdir()} == expected, f"HOSTILE_SEED={seed}"
        again += sum("run 1 of the job" in target.job.output for target in targets.values())
        seed += 1
        if time.monotonic() > ends:
            break
    assert again, "no job ran twice: nothing was tried"
