"""python -m tests.pool.sweep [--rounds N] [--only NAME,...]   in a pool, a quarter of an hour or more

Tries every attribute that HTCondor knows (attributes.txt) from jobs, on a schedd that is configured as
docs/security.md has it, and prints which of them change something: what a job reads or writes of the account,
what it sees (its environment, files, mounts, limits), and whether it runs again and ends.

A job sets two dozen attributes, runs again, sets the same ones to the next kind of value, and so on. If all
goes as without them, none of them does anything; otherwise they are divided, down to single ones. Each
round has other ones together, since an attribute may hide what another does, or need it. Jobs run without a
container, where more has an effect; `--container --only ...` tries in one what that finds.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from common.condor.protection import BINDING, configuration
from common.errors import ScheddUnavailable
from tests.pool.any_job import AnyJob, submit_any
from tests.sandbox.control import PoolClient

NAMES = tuple((Path(__file__).with_name("attributes.txt")).read_text().split())
KINDS = ('"{secret}"', '"{place}"', "true", "1")
GROUP, AT_ONCE, PATIENCE = 24, 16, 240.0
BARE = {"universe": "vanilla", "container_image": "", "transfer_container": ""}
LISTED = tuple(name for name in BINDING if name != "OnExitRemove")  # so that jobs may run again

BODY = """
import hashlib, json, resource, subprocess
stages = {stages!r}
def same(text):
    return hashlib.sha1(re.sub(r"[0-9]+|dir_\\w+", "N", text).encode()).hexdigest()[:6]
seen = {{
    "environment": sorted(f"{{k}}={{v}}" for k, v in os.environ.items() if k != "_CHIRP"),
    "files": sorted(n for n in os.listdir(".")),
    "mounts": sorted(" ".join(l.split()[3:6]) for l in open("/proc/self/mountinfo")),
    "arguments": sys.argv[1:],
    "limits": [resource.getrlimit(n) for n in range(16)],
    "ids": [os.getuid(), os.getgid(), os.nice(0), os.umask(0o22)],
    "input": "" if sys.stdin.isatty() else sys.stdin.read(1000),
    "cwd": os.getcwd(),
}}
found = set()
for root, _, files in os.walk("."):
    for name in files:
        path = os.path.join(root, name)
        if os.path.isfile(path) and name != "program.py":
            found |= set(re.findall(r"canary-\\w+", open(path, errors="replace").read(100_000)))
found |= set(re.findall(r"canary-\\w+", repr(seen)))
print("LEAKED" if found else "", "run", runs)
tries("ulog", f"RUN {{runs}} " + " ".join(f"{{k}}={{same(json.dumps(v))}}" for k, v in seen.items()))
if found:
    tries("ulog", f"LEAKED in run {{runs}}")
if {detail!r}:
    for k, v in seen.items():
        for part in v if isinstance(v, list) else [v]:
            tries("ulog", f"SEEN {{runs}} {{k}}: {{part}}"[:900])
open("o", "w").write("written")
for attribute, value in stages[runs] if runs < len(stages) else []:
    tries("set_job_attr", attribute, value)
tries("ulog", f"SET {{runs}}")
"""


@dataclass
class Try:
    """One job that tries some attributes, and what came of it."""

    names: tuple[str, ...]
    place: Path
    job: AnyJob
    began: float = field(default_factory=time.monotonic)

    def ended(self) -> bool:
        return any(map(self.job.has, (5, 9, 12))) or time.monotonic() - self.began > PATIENCE

    def outcome(self) -> dict[str, str]:
        """What is compared: how far it came, what it saw in each run, and what it did to the account."""
        events, secret = self.job.events(), self.place / "secret"
        result = {"end": "ended" if self.job.has(5) else "held" if self.job.has(12) else "did not end"}
        for run, seen in re.findall(r"RUN (\d+) (.*)", events):
            result |= {f"run {run} {part.partition('=')[0]}": part.partition("=")[2] for part in seen.split()}
        if "LEAKED" in events + self.job.output:
            result["harm"] = "read"
        if [path.name for path in self.place.iterdir()] != ["secret"] or secret.read_text() != "canary-1":
            result["harm"] = "changed"
        if re.search(r"(?m)^(?![0-9]{3} \(|\s|\.\.\.|<)", events.rstrip("\n")):
            result["log"] = "odd"
        own = f"cluster-{self.job.cluster_id}"
        files = sorted(str(p.relative_to(self.job.directory)) for p in self.job.directory.rglob("*"))
        result["files"] = " ".join(files).replace(own, "cluster-N")
        return result


class Sweep:
    """All tries of one pool."""

    def __init__(
        self, pool: PoolClient, directory: Path, *, detail: bool = False, container: bool = False
    ) -> None:
        self.pool, self.directory, self.detail = pool, directory, detail
        self.commands = {} if container else BARE
        self.started = 0

    def start(self, names: tuple[str, ...]) -> Try:
        self.started += 1
        home = self.directory / str(self.started)
        place = home / "private"
        place.mkdir(parents=True, mode=0o700)
        (place / "secret").write_text("canary-1")
        stages = [
            [(name, kind.format(secret=place / "secret", place=place)) for name in names] for kind in KINDS
        ]
        stages[0] = [*stages[0], ("OnExitRemove", f"NumJobStarts > {len(KINDS)}")]
        body = BODY.format(stages=stages, detail=self.detail)
        return Try(names, place, submit_any(self.pool, home, body, **self.commands))

    def run(self, groups: list[tuple[str, ...]]) -> list[tuple[tuple[str, ...], dict[str, str]]]:
        """The outcome of each group; only so many jobs are there at once."""
        waiting, done = list(groups), []
        running: list[Try] = []
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                try:
                    running.append(self.start(waiting[-1]))
                    waiting.pop()
                except ScheddUnavailable as error:
                    print("schedd:", error, "while these ran:", *(one.names for one in running), flush=True)
                    time.sleep(5)
            time.sleep(0.5)
            for one in [one for one in running if one.ended()]:
                running.remove(one)
                if not one.job.has(5):
                    self.pool.tool("condor_rm", str(one.job.cluster_id), check=False)
                    self.pool.tool("condor_rm", "-forcex", str(one.job.cluster_id), check=False)
                done.append((one.names, one.outcome()))
        return done


def differences(outcome: dict[str, str], usual: dict[str, str]) -> dict[str, str]:
    """What is not as without the attributes, without the numbers of runs."""
    return {
        re.sub(r"run \d+ ", "", key): outcome.get(key, "-")
        if key in ("end", "harm", "log", "files")
        else "other"
        for key in sorted(outcome.keys() | usual.keys())
        if outcome.get(key) != usual.get(key) and (key.partition(" ")[0] != "run" or key in outcome)
    }


def search(sweep: Sweep, names: list[str], usual: dict[str, str]) -> dict[str, dict[str, str]]:
    """The attributes that make a difference, each by itself or, where only several do, together."""
    groups = [tuple(names[at : at + GROUP]) for at in range(0, len(names), GROUP)]
    found: dict[str, dict[str, str]] = {}
    while groups:
        smaller = []
        for group, outcome in sweep.run(groups):
            if not (differs := differences(outcome, usual)):
                continue
            if len(group) == 1:
                found[group[0]] = differs
            else:
                step = 1 if len(group) <= 4 else 4
                smaller += [group[at : at + step] for at in range(0, len(group), step)]
            if "harm" in differs or "log" in differs:
                print("HARM", group, differs, flush=True)
        print(f"{len(groups)} groups done, {len(smaller)} smaller ones to come", flush=True)
        groups = smaller
    return found


def main() -> int:
    """Sweep, and print what makes a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.pool.sweep")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="these attributes, separated by commas, in detail")
    parser.add_argument("--container", action="store_true", help="as pilots run: slower, and it shows less")
    options = parser.parse_args()
    pool = PoolClient.from_environment()
    if pool is None:
        sys.exit("there is no pool: python -m tests.sandbox.pool run -- python -m tests.pool.sweep")
    pool.configure(configuration(LISTED))
    only = tuple(filter(None, options.only.split(",")))
    sweep = Sweep(
        pool,
        Path(tempfile.mkdtemp(prefix="sweep-", dir=pool.layout.home)),
        detail=bool(only),
        container=options.container,
    )
    usual = sweep.run([()])[0][1]
    print(f"HTCondor {pool.version}; without any: {usual}", flush=True)
    if sweep.run([()])[0][1] != usual:
        sys.exit("two jobs without any differ: nothing can be compared")
    listed = {name.lower() for name in LISTED}
    names = list(only) or [name for name in NAMES if name.lower() not in listed and name != "OnExitRemove"]
    together: dict[str, dict[str, str]] = {}
    for number in range(options.rounds):
        random.Random(number).shuffle(names)
        for name, differs in search(sweep, names, usual).items():
            together[name] = together.get(name, {}) | differs
    kinds = defaultdict(list)
    for name, differs in sorted(together.items()):
        kinds[", ".join(f"{key}: {value}"[:120] for key, value in differs.items())].append(name)
    for kind, those in sorted(kinds.items()):
        print(f"{kind}\n    {' '.join(those)}")
    print(f"{len(names)} attributes, {len(names) - len(together)} without a difference, {sweep.started} jobs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
