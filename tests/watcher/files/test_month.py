"""A month of fifty taskforces a day, with kills and outages, ends with the files that the rules demand."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from common.errors import Unavailable
from common.neighbours import Neighbours
from common.scratch.names import ENVFILE
from starter.existing_cluster import clusters_in_log
from starter.starter import Starter
from tests.conftest import SCHEDD
from tests.fakes import FakeClock, FakeCluster, FakeSchedd, Guillotine, Killed
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from watcher.files.survey import tree
from watcher.watcher import Watcher

HOUR, DAY = 3600.0, 86400.0
STEP = 6 * HOUR
BEGIN = 1_000_000_000.0  # long ago, so that files written just now show by their times
SHORT, LONG, DIRECTORY = DAY, 7 * DAY, 5 * DAY
LOG_ARCHIVE, DIRECTORY_ARCHIVE = 7 * DAY, 5 * DAY


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(BEGIN)


@pytest.fixture
def wms(clock: FakeClock) -> Iterator[StandInWms]:
    with StandInWms(schedd=SCHEDD, clock=clock, page_bytes=200_000) as wms:
        yield wms


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@dataclass
class Run:
    """One taskforce of the simulation."""

    uuid: str
    cluster_id: int
    log: Path
    ends_at: float
    known: bool = True  # to the WMS
    changed: float = 0.0
    ended: bool = False


@dataclass
class Month:
    """The access point and its users, step by step."""

    n: Neighbours
    wms: StandInWms
    schedd: FakeSchedd
    clock: FakeClock
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    runs: list[Run] = field(default_factory=list)
    archived: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    sizes: list[int] = field(default_factory=list)  # of all files, day by day

    def __post_init__(self) -> None:
        self.watcher = Watcher(self.n)

    # -- what users and jobs do

    def submit(self) -> None:
        """A taskforce starts: one in ten by the starter itself, one in fifty unknown to the WMS."""
        ends_at = self.clock.now + self._life()
        if self.chance.random() < 0.1:
            uuid = self.wms.add_taskforce(worker_config={"do_transfer_worker_stdouterr": True})
            Starter(self.n).run_once()
            cluster_id = int(self.wms.taskforce(uuid)["cluster_id"])
            log = Path(self.wms.taskforce(uuid)["job_event_log_fpath"])
            self.runs.append(Run(uuid, cluster_id, log, ends_at, changed=self.clock.now))
            return
        cluster_id, known = 100 + len(self.schedd.known), self.chance.random() > 0.02
        log = self.n.scratch.log_of(datetime.fromtimestamp(self.clock.now).date())  # noqa: DTZ006
        record = {
            "phase": "condor-submit",
            "cluster_id": cluster_id,
            "n_workers": 1,
            "job_event_log_fpath": str(log),
        }
        uuid = self.wms.add_taskforce(taskforce=record) if known else f"TF-unknown-{cluster_id}"
        self.n.scratch.make_taskforce_dir(uuid)
        self.n.scratch.write_envfile(uuid, "export A=1\n")
        description = {"log": str(log)}
        cluster = FakeCluster(cluster_id, uuid, description, 1, int(self.clock.now))
        self.schedd.known[cluster_id] = cluster
        JelWriter(log).submit(cluster_id, uuid, 1)
        self.runs.append(Run(uuid, cluster_id, log, ends_at, known, changed=self.clock.now))

    def _life(self) -> float:
        """Most are over in hours, some wait in the queue or on hold for weeks."""
        draw = self.chance.random()
        if draw < 0.004:
            return 100 * DAY
        if draw < 0.01:
            return self.chance.uniform(8, 20) * DAY
        return self.chance.uniform(1, 70) * HOUR if draw < 0.1 else self.chance.uniform(1, 9) * HOUR

    def end_jobs(self) -> None:
        for run in self.runs:
            if not run.ended and self.clock.now >= run.ends_at:
                output = self.n.scratch.taskforce_dir(run.uuid) / f"cluster-{run.cluster_id}"
                output.mkdir(mode=0o700)
                (output / "0.out").write_text(f"{run.uuid}\n" * 20)
                JelWriter(run.log).terminate((run.cluster_id, 0))
                self.schedd.known[run.cluster_id].alive = False
                run.ended, run.changed = True, self.clock.now

    def stamp(self) -> None:
        """Files written just now get the simulation's time."""
        now = self.clock.now
        new = [self.n.scratch.taskforce_dir(run.uuid) for run in self.runs if run.changed == now]
        inside = [path for directory in new for path in directory.rglob("*")]
        logs = [log for log in self.n.scratch.logs() if log.stat().st_mtime > BEGIN + 1000 * DAY]
        for path in (*new, *inside, *logs):
            os.utime(path, (now, now))

    # -- what the watcher does, and what is true at any time

    def watch(self, *, may_be_killed: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if may_be_killed and self.chance.random() < 0.5:
                Guillotine(patch, self.chance.randrange(1, 60), before=self.chance.random() < 0.5)
            try:
                self.watcher.run_once()
            except Unavailable:
                pass
            except Killed:
                self.kills += 1
                self.watcher = Watcher(self.n)

    def needed(self, run: Run) -> bool:
        if not run.ended:
            return True
        return run.known and self.wms.taskforce(run.uuid)["phase"] != "condor-complete"

    def check(self) -> None:
        """Nothing that somebody needs is missing; the times of archives are noted."""
        here = self.found()
        for run in self.runs:
            if not run.ended:
                assert run.log.name in here, run
                assert (self.n.scratch.taskforce_dir(run.uuid) / ENVFILE).exists(), run
        for path in self.n.scratch.directory.glob("*.gz"):
            self.archived.setdefault(path.name, self.clock.now)
        if self.clock.now % DAY < STEP:
            self.sizes.append(sum(node.size for node in tree(self.n.scratch.directory)))

    def step(self, starts: int, *, may_be_killed: bool = True) -> None:
        for _ in range(starts):
            self.submit()
        self.end_jobs()
        self.stamp()
        self.watch(may_be_killed=may_be_killed)
        self.check()
        self.clock.now += STEP

    # -- what the rules demand

    def expected(self) -> set[str]:
        """The files that are to be there now, from what happened and the rules alone."""
        now = self.clock.now
        names = {
            name
            for name, made in self.archived.items()
            if now < made + (LOG_ARCHIVE if "jel" in name else DIRECTORY_ARCHIVE)
            or ("unknown" in name and now < made + LONG)
        }
        logs: dict[Path, list[Run]] = {}
        for run in self.runs:
            logs.setdefault(run.log, []).append(run)
            quiet = now - run.changed
            if self.needed(run) or quiet < (DIRECTORY if run.known else LONG):
                names.add(f"ewms-taskforce-{run.uuid}")
        for log, runs in logs.items():
            quiet = now - max(run.changed for run in runs)
            if any(self.needed(run) for run in runs) or quiet < SHORT:
                names.add(log.name)
        return names

    def found(self) -> set[str]:
        return {path.name for path in self.n.scratch.directory.iterdir() if path.name != ".tms"}


def test_a_month_ends_with_exactly_the_files_that_the_rules_demand(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    month = Month(n, wms, schedd, clock)
    for day in range(30):
        for hour in range(0, 24, 6):
            # The schedd is down for two days, the WMS for one, both for hours now and then.
            schedd.down = day in (10, 11) or (day % 7 == 3 and hour == 12)
            is_down = day == 17 or (day % 5 == 2 and hour == 6)
            if is_down:
                wms.down()
            starts = 0 if is_down or schedd.down else 13
            month.step(starts)
            if is_down:
                wms.up()
    schedd.down = False
    for _ in range(3):
        month.step(0, may_be_killed=False)
    clock.now -= STEP

    assert month.kills > 20
    assert month.found() == month.expected()
    assert list(n.scratch.leaving.iterdir()) == []
    waiting = [run for run in month.runs if not run.ended]
    assert waiting
    for run in waiting:
        assert run.cluster_id in clusters_in_log(run.log, run.uuid)
    # The disk does not fill up: after the first weeks there is no more than before.
    assert max(month.sizes[20:]) < 1.3 * max(month.sizes[10:20])
