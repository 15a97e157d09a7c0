"""The watcher's metrics count what it read and sent, and have no word of a user in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from common.metrics import MetricsFile
from common.neighbours import Neighbours
from common.worker import run_forever
from tests.fakes import FakeStop
from tests.jel import JelWriter
from tests.metrics import read_metrics, values
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.totals import STATUSES
from watcher.watcher import Watcher, build


def test_jobs_are_counted_by_status_whatever_the_reason_of_a_hold(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    jel.submit(7, add_running(wms, 7, n_workers=9), 8)
    jel.execute((7, 0))
    jel.hold((7, 1), 1234, 0, "a user's own words")
    jel.hold((7, 2), 3, 17, "others")
    jel.terminate((7, 3))
    jel.abort((7, 4))
    watcher = Watcher(n)
    watcher.run_once()
    assert values(watcher.numbers())["jobs"] == {
        "IDLE": 4,  # one of them has no event yet
        "RUNNING": 1,
        "SUSPENDED": 0,
        "COMPLETED": 1,
        "REMOVED": 1,
        "HELD": 2,
    }


def test_what_was_read_and_sent_adds_up(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    watcher = Watcher(n)
    jel.submit(7, add_running(wms, 7), 1)
    jel.submit(8, add_running(wms, 8), 1)
    watcher.run_once()
    first = values(watcher.numbers())
    jel.path.open("ab").write(b"damage that is no event\n...\n")
    jel.terminate((7, 0))
    watcher.run_once()
    second = values(watcher.numbers())
    assert (first["statuses_sent_total"], second["statuses_sent_total"]) == (2, 3)
    assert (first["taskforces_completed_total"], second["taskforces_completed_total"]) == (0, 1)
    assert (first["log_events_total"], second["log_events_total"]) == (2, 3)
    assert (first["log_damaged_bytes_total"], second["log_damaged_bytes_total"]) == (0, 28)
    assert second["logs_followed"] == 1


def test_what_a_log_brought_is_not_forgotten_with_the_log(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    jel.path.open("ab").write(b"damage\n...\n")
    watcher = Watcher(n)
    watcher.run_once()
    before = values(watcher.numbers())
    jel.path.unlink()
    watcher.run_once()
    after = values(watcher.numbers())
    assert (before["logs_followed"], after["logs_followed"]) == (1, 0)
    for total in ("log_events_total", "log_damaged_bytes_total"):
        assert before[total] == after[total] != 0


def test_a_log_that_is_not_read_to_its_end_lags(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    jel.path.open("ab").write(b"001 (007.000.000) 2026-11-22 10:00:00 half an ev")
    watcher = Watcher(n)
    watcher.run_once()
    assert values(watcher.numbers())["log_lag_bytes"] == 48


def test_the_file_of_a_running_watcher_has_no_word_of_a_user(
    n: Neighbours, wms: StandInWms, jel: JelWriter, tmp_path: Path
) -> None:
    uuid = add_running(wms, 4711, n_workers=2)
    jel.submit(4711, uuid, 2)
    jel.hold((4711, 0), 1234, 0, "canary-of-a-reason")
    jel.chirp((4711, 1), "HTChirpEWMSPilotStatus", "canary-of-a-pilot")
    measured = replace(
        n,
        settings=n.settings.model_copy(update={"metrics_dir": tmp_path}),
        stop=FakeStop(waits=1),
    )
    run_forever(build(measured), measured)
    text = MetricsFile("watcher", tmp_path, n.scratch.directory).path.read_text()
    assert "canary" in str(wms.taskforce(uuid)["compound_statuses"])
    for word in ("canary", uuid, "4711", "jel"):
        assert word not in text
    samples = read_metrics(tmp_path)
    assert {name for name in samples if name.startswith("ewms_tms_jobs{")} == {
        f"ewms_tms_jobs{{status={status},worker=watcher}}" for status in STATUSES
    }
    assert samples["ewms_tms_jobs{status=HELD,worker=watcher}"] == 1
    assert samples["ewms_tms_statuses_sent_total{worker=watcher}"] == 1
