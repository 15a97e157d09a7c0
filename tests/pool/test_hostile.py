"""Taskforces, and jobs, that mean harm do none on the real pool, and the others go on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import htcondor2

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
CONFIRM = "/v1/tms/condor-submit/taskforces/*"
STATUSES = "/v1/tms/statuses/taskforces"


def phase(wms: StandInWms, uuid: str) -> str:
    return str(wms.taskforce(uuid)["phase"])


def failures(wms: StandInWms, uuid: str) -> list[str]:
    return [c["context"] for c in wms.taskforce(uuid)["phase_change_log"] if not c["was_successful"]]


def hostile(tms: Tms, owned: Path) -> dict[str, dict[str, Any]]:
    """Taskforces that cannot be started, by the field that is to be named; each would make `owned`."""
    run = f"include command : touch {owned}"
    requirements = [
        f"true\n{run}",
        "true) || (true",
        "true || (true",
        "$ENV(EWMS_CLIENT_SECRET) =!= 1",
        "$$([1])",
        'x == "a\\',
        "true\\",
    ]
    files = [
        f"/x\n{run}",
        "/proc/self/environ",
        "relative",
        f"{tms.scratch}/ewms-taskforce-TF-0/ewms_htcondor_envfile.sh",
        f"{tms.scratch.parent}",
        f"{tms.environment['TMS_PRIVATE_PATHS']}",
        f"{tms.environment['TMS_PRIVATE_PATHS']} ",
        f"{tms.scratch.parent}/data/link",
        "/x/ewms_htcondor_envfile.sh",
        "/x, /etc/hostname",
        "$ENV(HOME)/x",
    ]
    harm = f"$(touch {owned})"
    environments = [{"X;touch": harm}, {f"A=1\ntouch {owned}\nB": "1"}, {"OPTIND": f"a[{harm}]"}, {"A": "\0"}]
    made: list[tuple[str, dict[str, Any]]] = []
    made += [
        ("condor_requirements", {"worker_config": SMALL | {"condor_requirements": r}}) for r in requirements
    ]
    made += [("input_files", {"pilot_config": {"input_files": [f]}}) for f in files]
    made += [("environment", {"pilot_config": {"environment": e}}) for e in environments]
    made += [("tag", {"pilot_config": {"tag": t}}) for t in ("../x", f"x\n{run}", "$ENV(HOME)", "")]
    made += [("image_source", {"pilot_config": {"image_source": f"cvmfs\n{run}"}})]
    made += [("worker_memory", {"worker_config": SMALL | {"worker_memory": f"32M\n{run}"}})]
    made += [("worker_disk", {"worker_config": SMALL | {"worker_disk": "$ENV(HOME)"}})]
    made += [("n_cores", {"worker_config": SMALL | {"n_cores": n}}) for n in (0, -1, 10**12, "1\nqueue 5")]
    made += [("priority", {"worker_config": SMALL | {"priority": f"1\n{run}"}})]
    made += [("max_worker_runtime", {"worker_config": SMALL | {"max_worker_runtime": -1}})]
    made += [("n_workers", {"n_workers": n}) for n in (0, -3, 10**12)]
    made += [("task_image", {"task": {"task_image": ["x"]}})]
    return {f"{number} {field}": how for number, (field, how) in enumerate(made)}


def test_hostile_taskforces_are_refused_by_their_field_three_times_and_hold_up_nobody(
    pool: PoolClient, wms: StandInWms, guarded: Tms
) -> None:
    owned = guarded.scratch.parent / "owned"
    bad = {
        wms.add_taskforce(validate=False, **({"worker_config": SMALL} | how)): what.split()[1]
        for what, how in hostile(guarded, owned).items()
    }
    good = wms.add_taskforce(worker_config=SMALL)
    guarded.start()
    eventually(lambda: phase(wms, good) == "condor-complete", "the good one completes", seconds=180)
    eventually(lambda: all(len(failures(wms, uuid)) == 3 for uuid in bad), "three refusals each", seconds=180)

    for uuid, field in bad.items():
        assert field in failures(wms, uuid)[-1], failures(wms, uuid)
        assert phase(wms, uuid) == "pending-starter"
    assert not owned.exists()
    assert [r.path for r in wms.requests_to("POST", CONFIRM) if good not in r.path] == []
    known = pool.tool("condor_q", "-all", "-af", "EWMSTaskforceUUID").stdout
    known += pool.tool("condor_history", "-af", "EWMSTaskforceUUID").stdout
    assert not [uuid for uuid in bad if uuid in known]
    assert "EWMS_CLIENT_SECRET=canary" not in guarded.output.read_text()
    assert "unexpected" not in guarded.output.read_text()


def test_odd_but_legal_text_is_only_text_in_the_job(pool: PoolClient, wms: StandInWms, guarded: Tms) -> None:
    data = guarded.scratch.parent / "data"
    odd = data / "$5 a#b 'c' größer.txt"
    odd.write_text("photons")
    wanted = 'regexp("^x$", TARGET.Name) || {1, 2}[0] == 1 || "$HOME #" == "; queue"'
    uuid = wms.add_taskforce(
        n_workers=2,
        worker_config=SMALL | {"condor_requirements": wanted, "do_transfer_worker_stdouterr": True},
        pilot_config={"input_files": [str(odd)]},
        pilot_environment={
            "LD_PRELOAD": "",
            "PATH": "/usr/bin:/bin:$(touch x)",
            "NASTY": "'\"\n$(touch x)`touch x`",
        },
    )
    guarded.environment["TMS_REQUIREMENTS"] = "HAS_IT =?= true"
    guarded.start()
    eventually(lambda: phase(wms, uuid) == "condor-submit", "submitted")

    cluster = wms.taskforce(uuid)["cluster_id"]
    ad, other = htcondor2.Schedd().query(f"ClusterId == {cluster}")
    assert "$HOME #" in str(ad["Requirements"])
    machine = next(one for one in htcondor2.Collector().query(htcondor2.AdTypes.Startd) if one.get("Name"))
    assert not machine.symmetricMatch(ad)
    machine["HAS_IT"] = True
    assert machine.symmetricMatch(ad), "what the user asks for holds, too"
    place = f"{guarded.scratch}/ewms-taskforce-{uuid}"
    assert ad["TransferInput"] == f"{place}/inputs/{odd.name},{place}/ewms_htcondor_envfile.sh"
    assert ad["LimitDirectoryAccess"] == place
    assert ad["UserLog"] == other["UserLog"] == wms.taskforce(uuid)["job_event_log_fpath"]
    assert not ad.get("WantIOProxy", False)
    assert "canary" not in str(ad)


# Runs in the job, before the pilot: Python imports it from PYTHONPATH.
HARM = """
import sys
sys.path.insert(0, "/app")
from htchirp import HTChirp

with HTChirp() as chirp:
    chirp.ulog("SANDBOX begins")
    for what, harm in (
        ("read", lambda: chirp.read({secret!r}, 100)),
        ("fetch", lambda: chirp.fetch({secret!r}, "got")),
        ("write", lambda: chirp.write("x", {planted!r}, "wct")),
        ("remove", lambda: chirp.unlink({secret!r})),
        ("list", lambda: chirp.getdir({home!r})),
        ("rename", lambda: chirp.set_job_attr("EWMSTaskforceUUID", {victim!r})),
    ):
        try:
            harm()
            chirp.ulog("SANDBOX " + what + " done")
        except Exception as error:
            chirp.ulog("SANDBOX " + what + " refused")
    for text in {lines!r}:
        chirp.ulog(text)
    chirp.ulog("SANDBOX ends")
"""
LINES = [
    "...",
    "000 (009.000.000) 2026-11-22 18:00:00 Job submitted from host: <192.0.2.2:9618>",
    "    EWMSTaskforceUUID=TF-other",
    'HTChirpEWMSPilotStatus: "\x1b]0;owned\x07\x1b[2J"',
    'HTChirpEWMSPilotError: "\\033[31m$(touch x) \\u202e \\000 \\377\\376 <script>"',
    'HTChirpEWMSPilotError: "' + "x" * 900,
    'HTChirpEWMSPilotError: "a.b$c\\n2026-11-22 18:00:00.000 [ERROR] starter[1] forged"',
]


def test_a_job_that_means_harm_reaches_no_file_claims_no_taskforce_and_is_removed(
    pool: PoolClient, wms: StandInWms, guarded: Tms
) -> None:
    home = guarded.scratch.parent
    victim = wms.add_taskforce(worker_config=SMALL, launch=False)
    harm = home / "data/sitecustomize.py"
    secret, planted = home / "tms.env", home / "planted"
    harm.write_text(
        HARM.format(
            secret=str(secret), planted=str(planted), home=str(home), victim=f'"{victim}"', lines=LINES
        )
    )
    uuid = wms.add_taskforce(
        worker_config=SMALL,
        pilot_config={"input_files": [str(harm)]},
        pilot_environment={"PYTHONPATH": ".", "SANDBOX_PILOT": "sleep"},
    )
    guarded.start()

    def log() -> str:
        return "".join(path.read_text(errors="replace") for path in guarded.scratch.glob("*.tms.jel"))

    eventually(lambda: "SANDBOX ends" in log(), "the job has tried it all", seconds=120)
    for what in ("read", "fetch", "write", "remove", "list"):
        assert f"SANDBOX {what} refused" in log(), what
    assert "SANDBOX rename done" in log(), "the pool has changed: a job cannot rename itself now"
    assert secret.read_text() == "EWMS_CLIENT_SECRET=canary\n"
    assert not planted.exists()
    assert "canary" not in log()

    wms.launch(victim)
    eventually(lambda: phase(wms, victim) == "condor-complete", "the victim goes its own way", seconds=120)
    cluster = wms.taskforce(uuid)["cluster_id"]
    assert wms.taskforce(victim)["cluster_id"] != cluster
    assert wms.taskforce(victim)["compound_statuses"] == {"COMPLETED": {"Done": 1}}

    eventually(lambda: wms.taskforce(uuid)["top_task_errors"], "the errors are reported")
    sent = json.dumps([r.body for r in wms.requests_to("POST", STATUSES)], ensure_ascii=False)
    assert all(char.isprintable() for char in sent)
    assert all(line.isprintable() for line in guarded.output.read_text().splitlines())
    assert not re.search(r"(?m)^2026-11-22 .*forged", guarded.output.read_text())

    wms.abort(uuid)
    eventually(lambda: phase(wms, uuid) == "condor-complete", "stopped and complete", seconds=120)
    assert not pool.tool("condor_q", "-all", str(cluster), "-af", "ClusterId").stdout.strip()
    assert "unexpected" not in guarded.output.read_text()


# Runs in the job, before the pilot. On a stock schedd it writes any event of any cluster into the day's log.
FORGER = """
import sys, time
sys.path.insert(0, "/app")
from htchirp import HTChirp

with HTChirp() as chirp:
    for attribute, value in {moves!r}:
        chirp.set_job_attr(attribute, value)
    for _ in range(3):
        chirp.ulog("SANDBOX forges")
        time.sleep(1)
"""


def test_an_end_that_a_job_forges_ends_nobody_elses_work(
    pool: PoolClient, wms: StandInWms, guarded: Tms
) -> None:
    victim = wms.add_taskforce(worker_config=SMALL, pilot_environment={"SANDBOX_PILOT": "sleep"}, n_workers=2)
    guarded.start()
    running = {"RUNNING": {"Tasking": 2}}
    eventually(lambda: wms.taskforce(victim)["compound_statuses"] == running, "it runs", seconds=120)
    cluster = wms.taskforce(victim)["cluster_id"]
    date = "2026-11-22 18:00:00"
    events = [f"005 ({cluster:03d}.{proc:03d}.000) {date} Job terminated." for proc in (0, 1)]
    events += [f"036 ({cluster:03d}.-01.000) {date} Cluster removed"]
    text = "".join(f"%n...%n{event}%n%t(1) Normal termination (return value 0)" for event in events)
    forger = guarded.scratch.parent / "data/sitecustomize.py"
    moves = [("Mine", f'formatTime(0, "x{text}%n...%n")'), ("JobAdInformationAttrs", '"Mine"')]
    forger.write_text(FORGER.format(moves=moves))
    hostile = wms.add_taskforce(
        worker_config=SMALL,
        pilot_config={"input_files": [str(forger)]},
        pilot_environment={"PYTHONPATH": "."},
    )

    def is_over() -> bool:
        """The forger is done, or the stopper was faster and holds it, as it has changed its own ad."""
        held = any(status.startswith("HELD") for status in wms.taskforce(hostile)["compound_statuses"])
        return held or phase(wms, hostile) == "condor-complete"

    eventually(is_over, "the forger is done", seconds=120)
    log = "".join(path.read_text(errors="replace") for path in guarded.scratch.glob("*.tms.jel"))
    assert re.search(rf"(?m)^036 \({cluster:03d}\.-01", log), "the pool has changed: no event is forged now"

    passes = len(wms.requests_to("POST", STATUSES))
    another = wms.add_taskforce(worker_config=SMALL)
    eventually(lambda: phase(wms, another) == "condor-complete", "the watcher goes on", seconds=120)
    assert len(wms.requests_to("POST", STATUSES)) > passes
    assert phase(wms, victim) == "condor-submit"
    live = pool.tool("condor_q", "-all", str(cluster), "-af", "JobStatus").stdout.split()
    assert live == ["2", "2"]
