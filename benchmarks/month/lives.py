"""What a job does from its submit to its end: waits, starts, chirps, is evicted or held, ends."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.month.agenda import Agenda
from benchmarks.month.busy_schedd import BusySchedd
from tests.model.schedd import Job, ModelCluster

HELD = "HELD: User request"
LEAVES = 10.0  # seconds until a job that was removed has ended
MEMORY = "Image size of job updated: 27520", "\t871  -  MemoryUsage of job (MB)"


class Lives:
    """The lives of all jobs: `hours` is how long one runs on average."""

    def __init__(self, schedd: BusySchedd, agenda: Agenda, hours: float, seed: int) -> None:
        self.schedd, self.agenda, self.hours = schedd, agenda, hours
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        schedd.begin_lives = self.begin
        schedd.on_made = lambda cluster, job: self._go_on(self._life(cluster, job))
        schedd.begin_removal = self.remove

    def begin(self, cluster: ModelCluster) -> None:
        """A cluster was submitted."""
        for job in cluster.jobs:
            self._go_on(self._life(cluster, job))

    def remove(self, cluster: ModelCluster) -> None:
        """Its jobs have to end; one in a hundred clusters never does, and is to be forced out."""
        if self.chance.random() >= 0.01:
            self.agenda.after(LEAVES, lambda: self.schedd.let_go(cluster))

    def _go_on(self, life: Iterator[float]) -> None:
        pause = next(life, None)
        if pause is not None:
            self.agenda.after(pause, partial(self._go_on, life))

    def _life(self, cluster: ModelCluster, job: Job) -> Iterator[float]:
        """Yields the seconds until it does the next thing; nothing happens to a job that is removed."""
        schedd, chance = self.schedd, self.chance
        while job.live:
            yield 20 + chance.expovariate(1 / 600)  # until a machine is there
            schedd.start(cluster, job)
            for pause, status in ((8, "Started"), (20, "AwaitingFirstMessage"), (40, "Tasking")):
                yield pause
                schedd.chirp(cluster, job, status)
            fate, runs = chance.random(), chance.uniform(0.3, 1.7) * self.hours * 3600
            yield runs / 2
            schedd.note(cluster, job, 6, *MEMORY)
            schedd.note(cluster, job, 8, 'HTChirpEWMSPilotTasksTotal: "1"')
            if fate < 0.04:
                schedd.evict(cluster, job)
                continue
            if fate < 0.05:
                schedd.hold(cluster, job)
                yield chance.expovariate(1 / 3600)
                if job.status == HELD:  # nobody else has released or removed it
                    schedd.hold(cluster, job)
                continue
            if fate < 0.06:
                schedd.suspend(cluster, job)
                yield 600
                if job.status == "SUSPENDED":
                    schedd.suspend(cluster, job)
            yield runs / 2
            if fate > 0.95:
                schedd.note(cluster, job, 8, 'HTChirpEWMSPilotError: "RuntimeError: 1 TASK(S) FAILED"')
            schedd.chirp(cluster, job, "FatalError" if fate > 0.95 else "Done")
            yield 5
            self._write_output(cluster, job)
            schedd.end(cluster, job)

    def _write_output(self, cluster: ModelCluster, job: Job) -> None:
        """What its shadow brings back, where the taskforce wants it."""
        if job.live and (name := cluster.description.get("output")):
            place = Path(cluster.description["initialdir"])
            for which in (name, cluster.description["error"]):
                which = which.replace("$(ClusterId)", str(cluster.cluster_id))
                path = place / which.replace("$(ProcId)", str(job.proc))
                path.parent.mkdir(mode=0o700, exist_ok=True)
                path.write_text(f"output of job {cluster.cluster_id}.{job.proc}\n")
                for written in (path, path.parent):  # at the simulated time
                    os.utime(written, (self.schedd.clock(), self.schedd.clock()))
