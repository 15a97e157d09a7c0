"""One look serves all starts of a pass, and finds any cluster that there is, wherever it is found."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from common.errors import OtherQueue, ScheddUnavailable, ScratchUnavailable
from common.joblog import notes
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from starter import known_taskforces
from starter.existing_cluster import DAY
from starter.known_taskforces import FRESH, HOUR, KnownTaskforces
from starter.starter import Starter
from tests.fakes import FakeClock, FakeCluster, FakeSchedd, FakeStop
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms


@pytest.fixture
def known(n: Neighbours) -> KnownTaskforces:
    return KnownTaskforces(n)


@pytest.fixture
def calls(schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions to the schedd, by the names of its methods."""
    made: list[str] = []

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            return method(*arguments, **options)

        return call

    for name in ("queue", "clusters", "ended_taskforces", "clusters_of", "submit"):
        monkeypatch.setattr(schedd, name, noting(name, getattr(schedd, name)))
    return made


@pytest.fixture
def log(n: Neighbours, clock: FakeClock) -> Path:
    """The day's log."""
    return n.scratch.log_of(datetime.fromtimestamp(clock.now).date())  # noqa: DTZ006


def cluster(cluster_id: int, uuid: str, *, alive: bool) -> FakeCluster:
    return FakeCluster(cluster_id, uuid, {"log": "/elsewhere"}, 1, 0, alive=alive)


def submitted(log: Path, uuid: str) -> None:
    JelWriter(log).submit(7, uuid, 1)


def test_many_starts_of_a_pass_need_one_look(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, calls: list[str]
) -> None:
    for _ in range(20):
        wms.add_taskforce()
    Starter(n).run_once()
    assert len(schedd.known) == 20
    assert [calls.count(name) for name in ("clusters", "ended_taskforces", "clusters_of")] == [1, 1, 0]
    assert calls.count("queue") == 21  # once for the look, and before each submit


def test_each_pass_looks_again_and_one_without_work_does_not(
    n: Neighbours, wms: StandInWms, calls: list[str]
) -> None:
    worker = Starter(n)
    for taskforces in (1, 0, 1):
        for _ in range(taskforces):
            wms.add_taskforce()
        worker.run_once()
    assert calls.count("clusters") == calls.count("ended_taskforces") == 2


def test_a_look_is_made_again_when_it_is_a_few_seconds_old(
    known: KnownTaskforces, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """A starter with another scratch directory may have submitted meanwhile."""
    assert not known.may_have_cluster("TF-1", clock.now)
    schedd.known[7] = cluster(7, "TF-1", alive=True)
    clock.now += FRESH
    assert known.may_have_cluster("TF-1", clock.now)


def test_a_cluster_in_the_queue_is_found(known: KnownTaskforces, schedd: FakeSchedd) -> None:
    schedd.known[7] = cluster(7, "TF-1", alive=True)
    assert known.may_have_cluster("TF-1", 0)
    assert not known.may_have_cluster("TF-2", 0)


def test_a_cluster_in_the_history_is_found_and_one_that_came_there_since_the_last_look(
    known: KnownTaskforces, schedd: FakeSchedd
) -> None:
    schedd.known[7] = cluster(7, "TF-1", alive=False)
    assert known.may_have_cluster("TF-1", 0)
    schedd.known[8] = cluster(8, "TF-2", alive=False)
    known.begin_pass()
    assert known.may_have_cluster("TF-1", 0)
    assert known.may_have_cluster("TF-2", 0)
    assert not known.may_have_cluster("TF-3", 0)


def test_a_cluster_that_leaves_the_queue_between_the_two_questions_is_found(
    known: KnownTaskforces, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is asked first: a cluster that has left it by then is in the history."""
    assert not known.may_have_cluster("TF-1", 0)
    schedd.known[7] = cluster(7, "TF-1", alive=True)

    def leaving(ask: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            answer = ask(*arguments, **options)
            schedd.known[7].alive = False
            return answer

        return call

    for name in ("clusters", "ended_taskforces"):
        with monkeypatch.context() as patch:
            patch.setattr(schedd, name, leaving(getattr(schedd, name)))
            schedd.known[7].alive = True
            known.begin_pass()
            assert known.may_have_cluster("TF-1", 0)


def test_a_cluster_that_only_a_log_names_is_found_as_the_log_grows(known: KnownTaskforces, log: Path) -> None:
    submitted(log, "TF-1")
    assert known.may_have_cluster("TF-1", 0)
    assert not known.may_have_cluster("TF-2", 0)
    submitted(log, "TF-2")
    known.begin_pass()
    assert known.may_have_cluster("TF-2", 0)


def test_a_log_is_looked_through_under_any_name_and_as_an_archive(known: KnownTaskforces, log: Path) -> None:
    submitted(log, "TF-1")
    assert known.may_have_cluster("TF-1", 0)
    older = log.with_name("2020-01-01.tms.jel")
    log.rename(older)
    submitted(log, "TF-2")
    known.begin_pass()
    assert known.may_have_cluster("TF-1", 0)
    assert known.may_have_cluster("TF-2", 0)
    log.with_name(f"{log.name}.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    known.begin_pass()
    assert known.may_have_cluster("TF-2", 0)


def test_two_logs_that_were_swapped_are_both_known(known: KnownTaskforces, log: Path) -> None:
    other, aside = log.with_name("2020-01-01.tms.jel"), log.with_name("aside")
    submitted(log, "TF-1")
    submitted(other, "TF-2")
    assert known.may_have_cluster("TF-1", 0)
    log.rename(aside)
    other.rename(log)
    aside.rename(other)
    submitted(log, "TF-3")
    known.begin_pass()
    assert all(known.may_have_cluster(f"TF-{number}", 0) for number in (1, 2, 3))


def test_a_log_that_is_gone_is_forgotten(known: KnownTaskforces, log: Path) -> None:
    submitted(log, "TF-1")
    assert known.may_have_cluster("TF-1", 0)
    log.unlink()
    known.begin_pass()
    assert not known.may_have_cluster("TF-1", 0)


def test_an_archive_is_read_once(known: KnownTaskforces, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(log, "TF-1")
    archive = log.with_name(f"{log.name}.gz")
    archive.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    assert known.may_have_cluster("TF-1", 0)
    with monkeypatch.context() as patch:
        patch.setattr(known_taskforces, "read_archive", None)
        known.begin_pass()
        assert known.may_have_cluster("TF-1", 0)
    submitted(log, "TF-2")
    archive.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    known.begin_pass()
    assert known.may_have_cluster("TF-2", 0)
    assert not known.may_have_cluster("TF-1", 0)


def test_while_a_log_cannot_be_read_nobody_is_known_to_have_no_cluster(
    known: KnownTaskforces, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the only one to name a cluster, as neither queue nor history must have it any more."""
    other = log.with_name("2020-01-01.tms.jel")
    submitted(log, "TF-1")
    assert known.may_have_cluster("TF-1", 0)
    submitted(other, "TF-2")
    known.begin_pass()
    open_file = Path.open

    def broken(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == log:
            raise OSError(5, "Input/output error")
        return open_file(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", broken)
        for uuid in ("TF-1", "TF-2", "TF-3"):
            with pytest.raises(ScratchUnavailable, match=rf"^{log} cannot be read, .* Input/output error$"):
                known.may_have_cluster(uuid, 0)
    assert known.may_have_cluster("TF-1", 0)
    assert known.may_have_cluster("TF-2", 0)
    assert not known.may_have_cluster("TF-3", 0)


def test_what_is_older_than_all_that_is_known_is_looked_for(
    known: KnownTaskforces, schedd: FakeSchedd, log: Path, clock: FakeClock, calls: list[str]
) -> None:
    """A taskforce was made long ago, and the look before was for a young one."""
    old = log.with_name("2020-01-01.tms.jel")
    submitted(old, "TF-1")
    assert not known.may_have_cluster("TF-2", clock.now)
    assert not known.may_have_cluster("TF-1", clock.now)
    assert calls.count("clusters") == 1
    assert known.may_have_cluster("TF-1", 0)
    assert calls.count("clusters") == calls.count("ended_taskforces") == 2


def test_the_history_is_read_from_the_newest_job_back_to_the_one_that_is_known(
    n: Neighbours,
    known: KnownTaskforces,
    schedd: FakeSchedd,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[float, tuple[int, int] | None]] = []
    ended = schedd.ended_taskforces

    def noting(*, since: float, behind: tuple[int, int] | None) -> Any:
        asked.append((since, behind))
        return ended(since=since, behind=behind)

    monkeypatch.setattr(schedd, "ended_taskforces", noting)
    now = clock.now
    schedd.known[7] = cluster(7, "TF-1", alive=False)
    for since in (now, now, now - DAY):
        known.begin_pass()
        known.may_have_cluster("TF-2", since)
    clock.now += 1
    schedd.exchange()
    n.scratch.queue_record.unlink(missing_ok=True)
    known.begin_pass()
    known.may_have_cluster("TF-2", now)
    # Twice as far where that was not far enough, and all of it where another queue has another history.
    first, deeper = DAY + HOUR, 2 * DAY + HOUR
    assert asked == [
        (now - first, None),
        (now - first, (7, 0)),
        (now - 2 * deeper, None),
        (now - deeper, None),
    ]


def test_a_taskforce_that_is_a_little_older_needs_no_other_look(
    known: KnownTaskforces, clock: FakeClock, calls: list[str]
) -> None:
    for minutes in range(60):
        known.may_have_cluster("TF-1", clock.now - 60 * minutes)
    assert calls.count("clusters") == 1


def test_a_log_that_only_an_old_taskforce_needed_is_forgotten_a_day_later_and_read_again_for_another(
    known: KnownTaskforces, log: Path, clock: FakeClock
) -> None:
    old = log.with_name("2020-01-01.tms.jel")
    submitted(old, "TF-1")
    assert known.may_have_cluster("TF-1", 0)
    known.begin_pass()
    assert known.may_have_cluster("TF-1", clock.now)
    clock.now += DAY
    assert not known.may_have_cluster("TF-1", clock.now)
    assert known.may_have_cluster("TF-1", 0)


def test_what_the_history_has_forgotten_does_not_pile_up(
    known: KnownTaskforces, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_taskforces, "MOST_ENDED", 10)
    for number in range(100):
        schedd.known = {number: cluster(number, f"TF-{number}", alive=False)}
        schedd.left = []
        known.begin_pass()
        assert known.may_have_cluster(f"TF-{number}", 0)
    assert len(known._ended.taskforces) <= 20


def test_a_cluster_that_we_make_counts_from_before_its_submit(known: KnownTaskforces) -> None:
    assert not known.may_have_cluster("TF-1", 0)
    known.begin_submit("TF-1")
    assert known.may_have_cluster("TF-1", 0)


@pytest.mark.parametrize("question", ["queue", "clusters", "ended_taskforces"])
def test_who_cannot_ask_everything_submits_nothing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    wms.add_taskforce()
    worker = Starter(n)
    worker.run_once()
    uuid = wms.add_taskforce()

    def silent(*_: object, **__: object) -> None:
        raise ScheddUnavailable("Failed to connect to schedd")

    with monkeypatch.context() as patch:
        patch.setattr(schedd, question, silent)
        for _ in range(2):
            if question == "queue":
                with pytest.raises(ScheddUnavailable):
                    worker.run_once()
            else:
                worker.run_once()
    assert len(schedd.known) == 1
    assert wms.taskforce(uuid)["phase"] == "pending-starter"


def test_while_the_logs_cannot_be_listed_nothing_is_submitted(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms.add_taskforce()

    def unlisted(scratch: Scratch) -> list[Path]:
        raise ScratchUnavailable("Input/output error")

    monkeypatch.setattr(Scratch, "log_archives", unlisted)
    Starter(n).run_once()
    assert schedd.known == {}


def test_a_stop_in_the_middle_of_a_look_leaves_it_undone(
    n: Neighbours, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "CHUNK", 64)
    submitted(log, "TF-1")
    stop = FakeStop()
    known = KnownTaskforces(replace(n, stop=stop))
    stop.set()
    for _ in range(2):
        with pytest.raises(ScratchUnavailable, match="stop"):
            known.may_have_cluster("TF-1", 0)
    known.site = n
    assert known.may_have_cluster("TF-1", 0)


@pytest.mark.parametrize("noted", [True, False])
def test_nothing_is_submitted_to_another_queue_than_the_one_that_was_looked_at(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    uuid, worker = wms.add_taskforce(), Starter(n)
    make_directory = n.scratch.make_taskforce_dir

    def exchanged(uuid: str) -> Path:
        if not noted:
            n.scratch.queue_record.unlink(missing_ok=True)
        schedd.exchange()
        return make_directory(uuid)

    if noted:
        n.scratch.note_queue(schedd.queue())
    with monkeypatch.context() as patch:
        patch.setattr(n.scratch, "make_taskforce_dir", exchanged)
        with pytest.raises(OtherQueue):
            worker.run_once()
    assert schedd.known == {}
    n.scratch.queue_record.unlink(missing_ok=True)
    worker.run_once()
    assert [found.taskforce_uuid for found in schedd.known.values()] == [uuid]


def test_of_an_interrupted_start_all_is_looked_at_exactly(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its intent is on disk: the look of the pass is not asked, so nothing that it missed can matter."""
    uuid = wms.add_taskforce()
    worker = Starter(n)
    schedd.known[7] = replace(cluster(7, uuid, alive=True), description={"log": str(log)})
    submitted(log, uuid)
    n.scratch.save(replace(_intent(worker, wms, uuid), log=str(log)))
    monkeypatch.setattr(worker.known, "may_have_cluster", None)
    worker.run_once()
    assert wms.taskforce(uuid)["cluster_id"] == 7


def _intent(worker: Starter, wms: StandInWms, uuid: str) -> Any:
    from common.wms.contract import parse_offer

    offer = parse_offer(worker.site.wms.next_to_start())
    assert offer.taskforce.taskforce_uuid == uuid
    return worker._intend(offer, None)
