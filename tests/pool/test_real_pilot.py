"""The real pilot, unpatched, works events off in our jobs, and the WMS shows its statuses and errors.

All its taskforces run at once, in one service whose workers are killed meanwhile; the tests look at the
results. Beside it run two of the stand-in pilot, whose chirps must be the real one's.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.control import PoolClient
from tests.sandbox.real_pilot.broker import Broker
from tests.sandbox.real_pilot.image import TASK_IMAGE
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

REAL, STAND_IN = "1.0.5", "latest"
EVENTS = [f"event {number}" for number in range(40)]
WORKERS = ("starter", "watcher", "stopper")
SMALL = {"worker_memory": "64M", "worker_disk": "10M"}
LONG = "python3 -c 'raise ValueError(\"no end \" * 500)'"
COPY = "cp {{INFILE}} {{OUTFILE}}"
INIT = {"init_image": TASK_IMAGE, "init_args": "true"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What is left when all is over: the WMS's record, what was chirped, and the events that came out."""

    record: Json
    chirps: list[tuple[str, str]]
    results: list[str]

    def statuses(self) -> list[str]:
        """The pilot's statuses, in order."""
        return [value.strip('"') for name, value in self.chirps if name == "Status"]

    def errors(self) -> Json:
        """The errors that the WMS has, with their counts."""
        errors: Json = self.record["top_task_errors"]
        return errors


def add(
    wms: StandInWms,
    broker: Broker,
    task_args: str,
    events: list[str],
    *,
    workers: int = 1,
    task: Json | None = None,
    **environment: str,
) -> str:
    """Hand in a taskforce for the real pilot, with its events in their queue, and return its id."""
    patience = {"TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": "30", "TIMEOUT_QUEUE_INCOMING": "3"}
    uuid = wms.add_taskforce(
        n_workers=workers,
        pilot_config={"tag": REAL},
        pilot_environment={
            f"EWMS_PILOT_{name}": value for name, value in {**patience, **environment}.items()
        },
        worker_config=SMALL,
        mqprofile=broker.mqprofile,
        task={"task_image": TASK_IMAGE, "task_args": task_args, **(task or {})},
        launch=False,
    )
    broker.put(wms.queues(uuid)[0], events)
    wms.launch(uuid)
    return uuid


def add_stand_in(wms: StandInWms, behaviour: str, *, task: Json | None = None) -> str:
    """Hand in a taskforce for the stand-in pilot, and return its id."""
    environment = {"SANDBOX_PILOT": behaviour}
    return wms.add_taskforce(
        pilot_config={"tag": STAND_IN}, pilot_environment=environment, worker_config=SMALL, task=task or {}
    )


def is_complete(wms: StandInWms, uuid: str) -> bool:
    return bool(wms.taskforce(uuid)["phase"] == "condor-complete")


def chirped(tms: Tms, cluster: int) -> list[tuple[str, str]]:
    """Names, without their common part, and raw values of what the cluster's busiest worker chirped.

    One that starts when the others have emptied the queue has less to chirp.
    """
    header = rf"^008 \({cluster:03}\.(\d+)\.000\) \S+ \S+ HTChirpEWMSPilot(\w+): (.*)$"
    logs = "".join(log.read_text(errors="replace") for log in tms.scratch.glob("*.tms.jel"))
    workers = defaultdict(list)
    for proc, name, value in re.findall(header, logs, re.MULTILINE):
        workers[proc].append((name, value))
    return max(workers.values(), key=len)


@pytest.fixture(scope="module")
def outcomes(pool: PoolClient) -> Iterator[dict[str, Outcome]]:
    """Every taskforce of this module, run to its end."""
    directory = Path(tempfile.mkdtemp(prefix="t-", dir=pool.layout.home))
    image = pool.install_real_pilot(REAL)
    pool.install_pilot(STAND_IN)
    with (
        StandInWms(schedd=pool.schedd_name, leeway_seconds=0) as wms,
        Broker(pool, image, directory) as broker,
        Tms(directory, wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name}) as tms,
    ):
        many = add(wms, broker, COPY, EVENTS, workers=3)
        uuids = {
            "many": many,
            "one": add(wms, broker, COPY, EVENTS[:1], task=INIT),
            "fails": add(wms, broker, "ls /nowhere", EVENTS[:1]),
            "times out": add(wms, broker, "sleep 600", EVENTS[:1], TASK_TIMEOUT="2"),
            "long": add(wms, broker, LONG, EVENTS[:1]),
            "stand-in": add_stand_in(wms, "succeed", task=INIT),
            "stand-in fails": add_stand_in(wms, "fail"),
        }
        rounds = 0
        deadline = time.monotonic() + 240
        while not all(is_complete(wms, uuid) for uuid in uuids.values()):
            assert time.monotonic() < deadline, tms.output.read_text()[-6000:]
            if "Tasking" in str(wms.taskforce(many)["compound_statuses"]) and rounds < len(WORKERS):
                kill(tms, WORKERS[rounds])
                rounds += 1
            time.sleep(0.5)
        assert rounds == len(WORKERS)
        yield {
            name: Outcome(
                wms.taskforce(uuid),
                chirped(tms, wms.taskforce(uuid)["cluster_id"]),
                broker.take(wms.queues(uuid)[1]) if name in ("many", "fails") else [],
            )
            for name, uuid in uuids.items()
        }


def kill(tms: Tms, worker: str) -> None:
    """Kill a worker as soon as it has a process; supervisord starts it again."""
    eventually(lambda: tms.worker_pid(worker) is not None, f"a running {worker}")
    pid = tms.worker_pid(worker)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_each_event_comes_out_once(outcomes: dict[str, Outcome]) -> None:
    many = outcomes["many"]
    assert sorted(many.results) == sorted(EVENTS)
    assert many.record["compound_statuses"] == {"COMPLETED": {"Done": 3}}
    assert many.errors() == {}
    phases = [change["target_phase"] for change in many.record["phase_change_log"]]
    assert phases.count("condor-submit") == phases.count("condor-complete") == 1
    assert many.statuses() == ["Started", "AwaitingFirstMessage", "Tasking", "Done"]


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("fails", "ls: cannot access '/nowhere': No such file or directory"),
        ("times out", "[Timeout-Error] timed out after 2s"),
        ("long", "ValueError: no end no end "),
    ],
)
def test_a_failing_task_is_the_pilots_fatal_error_in_its_own_words(
    outcomes: dict[str, Outcome], name: str, reported: str
) -> None:
    failed = outcomes[name]
    assert failed.record["compound_statuses"] == {"COMPLETED": {"FatalError": 1}}
    [(error, count)] = failed.errors().items()
    assert error.startswith("RuntimeError: 1 TASK(S) FAILED: ContainerRunError(")
    assert reported in error
    assert count == 1
    assert failed.results == []
    assert failed.statuses() == ["Started", "AwaitingFirstMessage", "Tasking", "FatalError"]


@pytest.mark.parametrize(
    ("name", "stand_in"), [("one", "stand-in"), ("fails", "stand-in fails")], ids=["succeeds", "fails"]
)
def test_the_stand_in_chirps_what_the_real_pilot_does(
    outcomes: dict[str, Outcome], name: str, stand_in: str
) -> None:
    """The same names in the same order, each value quoted in the same way; the same statuses and counts."""

    def shape(outcome: Outcome) -> list[tuple[str, str]]:
        own = ("Error", "ErrorTraceback", "LastUpdatedTimestamp", "StartedTimestamp")
        return [
            (name, re.sub(r"\d+", "N", value) if name.endswith("Timestamp") else value[0] + value[-1])
            if name in own
            else (name, value)
            for name, value in outcome.chirps
        ]

    assert shape(outcomes[stand_in]) == shape(outcomes[name])
