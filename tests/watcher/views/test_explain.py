"""`--explain` describes a taskforce, a cluster or a job in words, whatever the logs contain."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from common.neighbours import Neighbours
from tests.jel import JelWriter, read_events
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from tests.watcher.reading.any_log import FORMS, logs
from tests.watcher.reading.bindings import as_xml, read_by_bindings
from tests.watcher.views.commands import HOSTILE, run_alone
from watcher.__main__ import main
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog
from watcher.reading.log_file import LogFile
from watcher.reading.progress_bar import ProgressBar
from watcher.views.explain import history
from watcher.views.explain.request import Histories, What

SAMPLES = Path(__file__).parents[2] / "job_event_logs"

BESIDE_THE_SERVICE = """
import ctypes, os
from watcher.__main__ import main
assert main(["--explain", "8"]) == 0
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(f"dumpable {dumpable}, secret {os.environ.get('EWMS_CLIENT_SECRET')}")
"""


def explained(capsys: pytest.CaptureFixture[str], what: str, *files: object, code: int = 0) -> list[str]:
    assert main(["--explain", what, *map(str, files)]) == code
    return capsys.readouterr().out.splitlines()


def complaint(capsys: pytest.CaptureFixture[str], what: str, *files: object) -> str:
    assert main(["--explain", what, *map(str, files)]) == 1
    return capsys.readouterr().err


def test_a_taskforce_is_explained_in_a_few_lines(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 5)
    jel.submit(9, "TF-9", 1)
    jel.execute((8, 1))
    jel.chirp((8, 1), "Status", '"Tasking"')
    jel.raw(b"garbage\n")
    jel.execute((8, 2))
    jel.chirp((8, 2), "Error", '"RuntimeError: in dir_1"')
    jel.hold((8, 2), 34, 102, "memory usage exceeded")
    jel.execute((8, 3))
    jel.chirp((8, 3), "Error", '"RuntimeError: in dir_2"')
    jel.evict((8, 3), 1022)
    jel.execute((8, 3))
    jel.terminate((8, 3))
    jel.information((8, 3), "TF-8", trigger=5)
    at = jel.path.read_bytes().index(b"garbage")
    assert explained(capsys, "TF-8", jel.path) == [
        "cluster 8 of taskforce TF-8",
        "  logs              2026-11-22.tms.jel",
        "  first event       2026-11-22 18:00:01  job 8.0: submitted",
        "  last event        2026-11-22 18:00:16  job 8.3: ended with exit code 0",
        "  jobs              5",
        "                    2 IDLE",
        "                    1 RUNNING (1 Tasking)",
        "                    1 COMPLETED",
        "                    1 HELD: Job out of resources: subcode 102",
        "  errors            2 x, now of 1 job: RuntimeError: in dir_1",
        "  holds             1 x HELD: Job out of resources: subcode 102 (memory usage exceeded)",
        "  complete          no: 4 of 5 jobs not ended",
        f"  damage            8 bytes in 2026-11-22.tms.jel: 8 at byte {at}",
        "  longest on hold   8.2 since 2026-11-22 18:00:11",
        "  longest running   8.1 since 2026-11-22 18:00:07",
        "  longest idle      8.0 since 2026-11-22 18:00:01",
        "                    8.4 since 2026-11-22 18:00:05",
        "  most starts       8.3 2 times; now COMPLETED",
    ]


def test_a_job_is_explained_with_its_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, "96.0", SAMPLES / "ev_noexe.jel") == [
        "job 96.0 of a taskforce that the logs do not name, in ev_noexe.jel",
        "  2026-11-22 18:13:12  submitted",
        "  2026-11-22 18:13:17  started on slot1_9@ap1 (192.0.2.2)",
        "  2026-11-22 18:13:17  error at the execution point: Failed to execute '/no/such/exe'"
        " with arguments 1: (errno=2: 'No such file or directory')",
        "  2026-11-22 18:13:27  evicted: Error from slot1_9@ap1: Failed to execute '/no/such/exe'"
        " with arguments 1: (errno=2: 'No such file or directory')",
        "  2026-11-22 18:13:27  HELD: Failed to create process: subcode 2 (Error from slot1_9@ap1:"
        " Failed to execute '/no/such/exe' with arguments 1: (errno=2: 'No such file or directory'))",
        "  2026-11-22 18:15:47  removed: Python-initiated action (by user ewms)",
        "  now               REMOVED since 2026-11-22 18:15:47, started 1 time",
    ]


def test_a_jobs_pilot_is_heard_and_its_last_event_shown(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2)
    jel.execute((8, 1))
    jel.chirp((8, 1), "Status", '"Tasking"')
    jel.chirp((8, 1), "TasksTotal", '"3"')
    jel.chirp((8, 1), "Error", r'"say \"no\""')
    jel.event(40, (8, 1), "Started transferring output files")
    jel.terminate((8, 0), value=3)
    assert explained(capsys, "8.1", jel.path)[1:] == [
        "  2026-11-22 18:00:02  submitted",
        "  2026-11-22 18:00:03  started on slot1_4@ap1 (192.0.2.2)",
        "  2026-11-22 18:00:04  pilot status: Tasking",
        '  2026-11-22 18:00:06  pilot error: say "no"',
        "  last event        2026-11-22 18:00:07  job 8.1: Started transferring output files",
        "  now               RUNNING since 2026-11-22 18:00:03, started 1 time",
    ]
    assert "  2026-11-22 18:00:08  ended with exit code 3" in explained(capsys, "8.0", jel.path)


@pytest.mark.parametrize(
    ("sample", "job", "line"),
    [
        ("ev_vac.jel", "103.0", "2026-11-22 18:13:25  evicted: Job vacated by schedd"),
        ("ev_susp.jel", "104.0", "2026-11-22 18:13:27  no longer suspended"),
        ("ev_rc1.jel", "111.0", "2026-11-22 18:16:08  connected again"),
        ("ev_exit3.jel", "89.0", "2026-11-22 18:13:17  ended with exit code 3"),
        ("ev_phold.jel", "92.0", "2026-11-22 18:13:25  HELD: Job policy: subcode 77 (my policy)"),
        ("fmt_XML.log", "123.0", "2026-11-22 18:17:35  removed: bye (by user ewms)"),
        ("fmt_LEGACY.jel", "119.0", "18:17:25  removed: bye (by user ewms)"),
    ],
)
def test_logs_of_real_pools_are_explained(
    capsys: pytest.CaptureFixture[str], sample: str, job: str, line: str
) -> None:
    assert any(shown.endswith(line) for shown in explained(capsys, job, SAMPLES / sample))


@pytest.mark.parametrize(
    ("sample", "job"),
    [("ev_exit3.jel", "89.0"), ("ev_vac.jel", "103.0"), ("ev_noexe.jel", "96.0"), ("ev_rc1.jel", "111.0")],
)
def test_a_log_in_xml_is_explained_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sample: str, job: str
) -> None:
    xml = tmp_path / sample
    xml.write_bytes(b"".join(as_xml(event) for event in read_by_bindings(SAMPLES / sample)))
    assert explained(capsys, job, xml) == explained(capsys, job, SAMPLES / sample)


def test_the_end_is_shown_with_its_witness(capsys: pytest.CaptureFixture[str], jel: JelWriter) -> None:
    removed = "  complete          yes, since 2026-11-22 18:21:46: the log shows that the cluster was removed"
    assert removed in explained(capsys, "166", SAMPLES / "ev_latejob.jel")
    jel.submit(8, "TF-8", 1)
    jel.terminate((8, 0))
    ended = "  complete          yes, since 2026-11-22 18:00:02: every job in the logs has ended"
    assert ended in explained(capsys, "8", jel.path)


def test_a_taskforce_may_have_several_clusters(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 1)
    jel.submit(11, "TF-8", 1)
    lines = explained(capsys, "TF-8", jel.path)
    assert [line for line in lines if line.startswith("cluster")] == [
        "cluster 8 of taskforce TF-8",
        "cluster 11 of taskforce TF-8",
    ]


def test_a_number_that_stands_for_several_taskforces_is_pointed_out(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-old", 2)
    jel.terminate((8, 0))
    jel.submit(8, "TF-new", 1)
    jel.hold((8, 0), 1, 0, "by hand")
    lines = explained(capsys, "8", jel.path)
    assert lines[0] == "cluster number 8 stands for 2 taskforces: TF-old, TF-new"
    assert lines.count("  jobs              2") == 1
    assert "  complete          no: 1 of 2 jobs not ended" in lines
    assert "  complete          no: 1 of 1 job not ended" in lines
    assert explained(capsys, "TF-new", jel.path)[:2] == [lines[0], "cluster 8 of taskforce TF-new"]
    assert [line for line in explained(capsys, "8.1", jel.path) if line.startswith("job")] == [
        "job 8.1 of taskforce TF-old, in 2026-11-22.tms.jel"
    ]


def test_a_job_that_claims_another_taskforce_is_not_shown_as_its(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    jel.submit(9, "TF-9", 1)
    jel.information((9, 0), "TF-8")
    assert [line for line in explained(capsys, "TF-8", jel.path) if line.startswith("cluster")] == [
        "cluster 8 of taskforce TF-8"
    ]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_log_goes_on_after_its_archive_in_whatever_order_they_are_given(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], turn: int
) -> None:
    jel.submit(8, "TF-8", 1)
    jel.execute((8, 0))
    archive = jel.path.with_suffix(".jel.gz")
    archive.write_bytes(gzip.compress(jel.path.read_bytes()))
    jel.path.write_bytes(b"")
    jel.terminate((8, 0))
    lines = explained(capsys, "TF-8", *[archive, jel.path][::turn])
    assert lines[1:3] == [
        "  logs              2026-11-22.tms.jel.gz",
        "                    2026-11-22.tms.jel",
    ]
    assert "                    1 COMPLETED" in lines


def test_without_files_the_services_own_logs_are_read(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jel.submit(8, "TF-8", 1)
    archive = jel.path.with_name("2026-11-21.tms.jel.gz")
    archive.write_bytes(
        gzip.compress(jel.path.read_bytes().replace(b"TF-8", b"TF-7").replace(b"008", b"007"))
    )
    jel.path.with_name("notes.txt").write_text("no log\n")
    monkeypatch.setenv("JOB_EVENT_LOG_DIR", str(jel.path.parent))
    assert explained(capsys, "TF-7")[0] == "cluster 7 of taskforce TF-7"
    assert explained(capsys, "8")[0] == "cluster 8 of taskforce TF-8"
    monkeypatch.setenv("JOB_EVENT_LOG_DIR", str(jel.path.parent / "empty"))
    assert "there are no logs" in complaint(capsys, "TF-8")
    monkeypatch.delenv("JOB_EVENT_LOG_DIR")
    with pytest.raises(SystemExit, match="2"):
        main(["--explain", "TF-8"])
    assert "JOB_EVENT_LOG_DIR" in capsys.readouterr().err


def test_the_beginning_of_an_id_is_enough(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    for cluster, uuid in ((7, "TF-1a-7"), (8, "TF-1a"), (9, "TF-1b-9")):
        jel.submit(cluster, uuid, 1)
    assert explained(capsys, "TF-1b", jel.path)[0] == "cluster 9 of taskforce TF-1b-9"
    heads = [line for line in explained(capsys, "TF-1", jel.path) if line.startswith("cluster")]
    assert heads == [
        f"cluster {n} of taskforce {uuid}" for n, uuid in ((7, "TF-1a-7"), (8, "TF-1a"), (9, "TF-1b-9"))
    ]
    whole = [line for line in explained(capsys, "TF-1a", jel.path) if line.startswith("cluster")]
    assert whole == ["cluster 8 of taskforce TF-1a"]


def test_where_the_wms_answers_its_phase_is_shown_with_its_history(
    with_wms: None, n: Neighbours, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    uuid = add_running(wms, 8, 3)
    jel.submit(8, uuid, 3)
    wms.abort(uuid)
    n.wms.report_stop_failed(uuid, "\x1b[2Jno such job", failures=0)
    lines = explained(capsys, uuid)
    assert "  phase             pending-stopper, cluster 8, 3 workers (the WMS)" in lines
    at = next(n for n, line in enumerate(lines) if line.startswith("  phase changes"))
    assert lines[at].endswith("  pre-mq-activation")
    assert lines[at + 1].endswith("  pending-stopper")
    assert lines[at + 2].endswith("condor-rm failed: ERROR: \N{REPLACEMENT CHARACTER}[2Jno such job")


@pytest.mark.parametrize("known", [True, False])
def test_where_the_wms_does_not_answer_the_logs_are_still_explained(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    jel.submit(8, "TF-8", 3)
    if known:
        wms.down()
    lines = explained(capsys, "8")
    assert lines[0] == "cluster 8 of taskforce TF-8"
    assert lines[-1].startswith(
        "  WMS               does not " + ("answer: " if known else "know this taskforce")
    )


@pytest.mark.parametrize("length", [100, 15])
def test_a_taskforce_without_a_log_still_has_a_phase(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str], length: int
) -> None:
    jel.submit(8, "TF-8", 1)
    uuid = wms.add_taskforce()
    assert explained(capsys, uuid[:length])[:2] == [
        f"taskforce {uuid}, of which the logs have no cluster",
        "  phase             pending-starter, no cluster, 1 worker (the WMS)",
    ]


def test_if_none_is_asked_for_those_that_are_refused_are_explained_as_well(
    with_wms: None, n: Neighbours, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting, refused = wms.add_taskforce(), wms.add_taskforce()
    n.wms.report_start_failed(refused, "n_workers must be at least 1\x1b[2J", failures=0)
    assert main(["--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "! is not started: ERROR: n_workers must be at least 1\N{REPLACEMENT CHARACTER}[2J"
    assert lines[1] == f"taskforce {refused}, of which the logs have no cluster"
    assert lines[-2] == f"  for more          tms-starter --show {refused}"
    assert not any(waiting in line for line in lines)


def test_if_none_is_asked_for_those_that_need_a_person_are_explained(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for cluster in (7, 8):
        jel.submit(cluster, f"TF-{cluster}", 1)
        jel.execute((cluster, 0))
    jel.now = datetime.now(UTC)
    jel.chirp((7, 0), "Status", "Tasking")
    jel.hold((8, 0), 3, 0, "my policy")
    assert main(["--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["! 1 on hold: Job policy", "cluster 8 of taskforce TF-8"]
    assert not any("TF-7" in line for line in lines)


def test_logs_that_cannot_be_seen_are_reported_in_one_line(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = jel.path.parent / ("x" * 300)
    assert f"watcher: {long}: File name too long\n" in complaint(capsys, "8", long)
    monkeypatch.setenv("JOB_EVENT_LOG_DIR", str(long))
    assert complaint(capsys, "8") == f"watcher: {long}: File name too long (ENAMETOOLONG)\n"


@pytest.mark.parametrize("what", ["", "8.", "a b", "8.1.2", "../x", "\x1b[31m"])
def test_a_request_that_is_no_name_or_number_is_a_usage_error(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--explain", what, "x.jel"])
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("what", ["TF-7", "7", "8.5"])
def test_a_missing_cluster_is_reported_with_the_logs_that_were_searched(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    jel.submit(8, "TF-8", 1)
    assert complaint(capsys, what, jel.path) == (
        f"watcher: {what}: not in any of 1 log(s): 2026-11-22.tms.jel\n"
    )


def test_a_file_that_is_no_log_is_named_and_the_others_are_explained(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    other = jel.path.with_name("README.md")
    other.write_text("# no log\n")
    cut = jel.path.with_name("cut.jel.gz")
    cut.write_bytes(gzip.compress(jel.path.read_bytes())[:-10])
    assert main(["--explain", "TF-8", str(other), str(cut), str(jel.path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("cluster 8 of taskforce TF-8")
    assert f"watcher: {other}: this is no job event log" in captured.err
    assert f"watcher: {cut}: " in captured.err


def test_an_archive_that_is_cut_off_is_explained_as_far_as_it_can_be_read(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2000)
    cut = jel.path.with_name("cut.jel.gz")
    whole = gzip.compress(jel.path.read_bytes())
    cut.write_bytes(whole[: len(whole) // 2])
    assert main(["--explain", "TF-8", str(cut)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("cluster 8 of taskforce TF-8")
    assert captured.err.startswith(f"watcher: {cut}: ")


def test_damage_is_shown_with_its_place(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    """The place is that in the log, or in what is in the archive."""
    jel.submit(8, "TF-8", 20_000)
    jel.raw(b"001 (008.000.000) 2026-11-22 18:\n")
    jel.execute((8, 0))
    jel.submit(9, "TF-9", 3)
    jel.raw(bytes(100) + b"\n...\n")
    jel.execute((8, 1))
    content = jel.path.read_bytes()
    torn, zeros = content.index(b"18:\n") - 29, content.index(bytes(100))
    archive = jel.path.with_suffix(".jel.gz")
    archive.write_bytes(gzip.compress(content))
    for path in (jel.path, archive):
        (line,) = [line for line in explained(capsys, "TF-8", path) if "damage" in line]
        assert line == (
            f"  damage            {33 + 105} bytes in {path.name}: 33 at byte {torn}, 105 at byte {zeros}"
        )


def test_long_histories_and_texts_stay_short(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_LINES", 10)
    jel.submit(8, "TF-8", 1)
    for number in range(30):
        jel.chirp((8, 0), "Error", f'"{number} {"x" * 900}"')
    lines = explained(capsys, "8.0", jel.path)
    assert lines[1] == "  (21 earlier lines are left out)"
    assert len(lines) == 13
    lines = explained(capsys, "8", jel.path)
    assert "                    25 in 25 others" in lines
    assert max(map(len, lines)) < 300


@pytest.mark.parametrize("code", FORMS)
def test_no_text_of_a_job_acts_on_the_terminal(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    """Hold reasons, chirps, hosts, reasons of removals: whatever may stand in an event."""
    jel.submit(8, "TF-8", 1)
    for form in FORMS[code]:
        text, *body = form.replace("{cluster}", "8").replace("{proc}", "0").rstrip("\n").split("\n")
        jel.event(code, (8, 0), text.replace("@", HOSTILE), *(line.replace("@", HOSTILE) for line in body))
    jel.event(code, (8, 0), HOSTILE, HOSTILE, f"\tReason: {HOSTILE}", f"\tSlotName: {HOSTILE}")
    jel.chirp((8, 0), "Error", r'"\033[31m\302\233\007 \342\200\256"')
    jel.chirp((8, 0), "Status", r'"\033[31m"')
    for what in ("8", "8.0"):
        assert main(["--explain", what, str(jel.path)]) == 0
        captured = capsys.readouterr()
        for line in (captured.out + captured.err).split("\n"):
            assert line.isprintable(), line


def test_no_name_of_a_file_acts_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jel = JelWriter(tmp_path / "\x1b[31m\n.jel")
    jel.submit(8, "TF-8", 1)
    other = tmp_path / "\x1b[32m\n.txt"
    other.write_text("no log")
    main(["--explain", "8", str(jel.path), str(other)])
    main(["--explain", "9", str(jel.path), str(other)])
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in (captured.out + captured.err).split("\n"))


@given(content=logs())
def test_the_counts_are_those_of_the_tally(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    tally = Tally()
    for event in read_events(EventLog(path)):
        tally.count_event(event)
    for number, cluster in tally.clusters.items():
        histories = Histories(What(str(number), number))
        log = LogFile(path, ProgressBar(1))
        for events in log.read():
            histories.count(events, log)
        (found,) = histories.requested()
        assert found.tally.compound_statuses() == cluster.compound_statuses()
        assert (found.tally.over, found.tally.last_end) == (cluster.over, cluster.last_end)
        assert sum(1 for _ in found.jobs()) == cluster.n_jobs


def test_nothing_of_the_service_is_needed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    result = run_alone("--explain", "TF-8", str(jel.path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("cluster 8 of taskforce TF-8\n")


@pytest.mark.parametrize("option", ["--tally", "--explain", "--timeline"])
def test_a_reader_that_stops_early_sees_no_failure(jel: JelWriter, option: str) -> None:
    jel.submit(8, "TF-8", 1)
    reader, writer = os.pipe()
    os.close(reader)
    what = ["8"] if option == "--explain" else []
    command = [sys.executable, "-m", "watcher", option, *what, str(jel.path)]
    with os.fdopen(writer, "wb") as pipe:
        result = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_look_beside_the_service_keeps_its_secrets(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    command = [sys.executable, "-c", BESIDE_THE_SERVICE]
    environ = {"JOB_EVENT_LOG_DIR": str(jel.path.parent), "EWMS_CLIENT_SECRET": "hush"}
    result = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("cluster 8 of taskforce TF-8\n")
    assert result.stdout.endswith("\ndumpable 0, secret None\n")


def test_help_lists_every_command_that_only_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    for option in ("--tally", "--explain", "--timeline"):
        assert option in shown
        with pytest.raises(SystemExit, match="0"):
            main([option, "--help"])
        assert "FILE" in capsys.readouterr().out
