"""Who needs a file is asked of the schedd's queue, the starts that have begun, and the WMS, and is named."""

from __future__ import annotations

from common.neighbours import Neighbours
from common.scratch.intent import Intent
from tests.fakes import FakeCluster, FakeSchedd
from tests.sandbox.wms import StandInWms
from watcher.files.needs import ask
from watcher.files.survey import Entry, Kind

KINDS = {
    Kind.LOG: "2026-11-01",
    Kind.LOG_ARCHIVE: "2026-11-01",
    Kind.DIRECTORY: "TF",
    Kind.DIRECTORY_ARCHIVE: "TF",
}


def reasons(n: Neighbours, uuid: str) -> list[str]:
    """Why the log of a day, its archive, and a taskforce's directory and its archive are needed."""
    entries = [Entry("", kind, day if day != "TF" else uuid, 1, 0.0) for kind, day in KINDS.items()]
    needs = ask(n, entries)
    return [needs.of(entry) for entry in entries]


def twice(why: str, uuid: str) -> list[str]:
    return [f"{why} (taskforce {uuid})"] * 2 + [why] * 2


def test_a_cluster_in_the_queue_needs_its_log_and_its_directory(n: Neighbours, schedd: FakeSchedd) -> None:
    schedd.known[7] = FakeCluster(7, "TF-1", {"log": "/elsewhere/2026-11-01.tms.jel"}, 1, 0)
    assert reasons(n, "TF-1") == twice("cluster 7 is in the schedd's queue", "TF-1")
    assert reasons(n, "TF-2")[2:] == ["", ""]
    schedd.known[7].description["log"] = "/dev/null"
    assert reasons(n, "TF-1")[:2] == ["", ""]


def test_a_start_that_has_begun_needs_its_log_and_its_directory(n: Neighbours) -> None:
    n.scratch.save(Intent("TF-1", 1, {}, "/scratch/2026-11-01.tms.jel", n.clock()))
    assert reasons(n, "TF-1") == twice("its start is not confirmed", "TF-1")


def test_a_taskforce_that_is_not_complete_needs_its_log_and_its_directory(
    n: Neighbours, wms: StandInWms
) -> None:
    log = str(n.scratch.directory / "2026-11-01.tms.jel")
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "job_event_log_fpath": log})
    assert reasons(n, uuid) == twice("the WMS has it in phase condor-submit", uuid)


def test_a_complete_taskforce_needs_nothing_and_is_over_with_its_log(n: Neighbours, wms: StandInWms) -> None:
    log = str(n.scratch.directory / "2026-11-01.tms.jel")
    uuid = wms.add_taskforce(taskforce={"phase": "condor-complete", "job_event_log_fpath": log})
    for kind, of in ((Kind.LOG, "2026-11-01"), (Kind.DIRECTORY_ARCHIVE, uuid)):
        needs = ask(n, [Entry("", kind, of, 1, 0.0)])
        assert {uuid, "2026-11-01"} <= needs.over
        assert (needs.logs, needs.taskforces) == ({}, {})


def test_the_queue_is_named_before_the_wms_and_each_is_named_once(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    log = str(n.scratch.directory / "2026-11-01.tms.jel")
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "job_event_log_fpath": log})
    schedd.known[7] = FakeCluster(7, uuid, {"log": log}, 1, 0)
    assert reasons(n, uuid) == twice("cluster 7 is in the schedd's queue", uuid)
