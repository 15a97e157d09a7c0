"""`--show` prints what a start gives HTCondor, except for secrets, and writes nothing."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from common.neighbours import Neighbours
from common.scratch.names import ENVFILE
from common.scratch.read_only import ReadOnlyScratch
from starter.show import UNKNOWN, show
from starter.starter import Starter
from tests.fakes import FakeSchedd
from tests.sandbox.wms import StandInWms

TOKEN, PASSWORD = "canary-of-the-queue", "canary-of-the-broker"
QUEUE = {"auth_token": TOKEN, "broker_address": f"amqp://worker:{PASSWORD}@mq.example.org:5672/vhost"}


@pytest.fixture
def terminal(capfd: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What is printed; stderr stays a file, as the watchdog of a pass needs one."""
    return capfd


@pytest.fixture
def looking(n: Neighbours, schedd: FakeSchedd) -> Neighbours:
    """The neighbours of a look: the schedd does not answer, and need not."""
    schedd.down = True
    return replace(n, scratch=ReadOnlyScratch(n.scratch.directory), dry_run=True)


def shown(n: Neighbours, uuid: str, terminal: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    seen = show(n, uuid)
    return seen, terminal.readouterr().out


def description_in(output: str) -> dict[str, str]:
    lines = output.split("# the submit description\n")[1].split("\nqueue ")[0].splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def environment_in(output: str) -> dict[str, str]:
    return variables(output.split("\n# /")[1].split("\n", 1)[1])


def variables(envfile: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in shlex.split(envfile) if item != "export")


def test_it_shows_what_a_start_gives_htcondor(
    n: Neighbours,
    looking: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    terminal: pytest.CaptureFixture[str],
) -> None:
    uuid = wms.add_taskforce(
        n_workers=3,
        worker_config={"condor_requirements": "Memory > 100", "do_transfer_worker_stdouterr": True},
        pilot_config={"input_files": ["/etc/hostname"]},
        pilot_environment={"COLOUR": "it's $HOME", "SITE_PASSWORD": "canary"},
        task={"task_env": {"DEPTH": "7", "API_KEY": "canary"}},
        mqprofile=QUEUE,
    )
    seen, output = shown(looking, uuid, terminal)
    assert seen, output
    assert f"{uuid}, for schedd 'ap1.example.org': phase pending-starter" in output
    assert "\nqueue 3\n" in output
    schedd.down = False
    Starter(n).run_once()
    (cluster,) = schedd.known.values()
    assert description_in(output) == cluster.description
    assert description_in(output)["batch_name"] == uuid
    written = (n.scratch.taskforce_dir(uuid) / ENVFILE).read_text()
    assert environment_in(output) == variables(written) | {
        "SITE_PASSWORD": "***",
        "EWMS_PILOT_TASK_ENV_JSON": json.dumps({"DEPTH": "7", "API_KEY": "***"}),
        "EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN": "***",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "amqp://***@mq.example.org:5672/vhost",
        "EWMS_PILOT_QUEUE_OUTGOING_AUTH_TOKEN": "***",
        "EWMS_PILOT_QUEUE_OUTGOING_BROKER_ADDRESS": "amqp://***@mq.example.org:5672/vhost",
    }


def test_a_queues_token_is_masked_wherever_it_stands(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    uuid = wms.add_taskforce(
        task={"task_args": f"--broker amqp://worker:{PASSWORD}@mq.example.org --with {TOKEN}"},
        pilot_environment={"PLACE": f"amqp://{TOKEN}@elsewhere.example.org", "NOTE": f"worker:{PASSWORD}@x"},
        mqprofile=QUEUE,
    )
    seen, output = shown(looking, uuid, terminal)
    assert seen
    assert "canary" not in output


def test_a_token_that_json_writes_otherwise_is_masked_in_the_tasks_environment(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    token = 'quoted "canary" \u00fc'
    uuid = wms.add_taskforce(
        task={"task_env": {"BROKER": f"with {token}", "URL": "amqp://me:canary@x"}},
        mqprofile={"auth_token": token},
    )
    _, output = shown(looking, uuid, terminal)
    value = environment_in(output)["EWMS_PILOT_TASK_ENV_JSON"]
    assert json.loads(value) == {"BROKER": "with ***", "URL": "amqp://***@x"}
    assert "canary" not in output


@pytest.mark.parametrize(
    "phase", ["pre-mq-activation", "condor-submit", "pending-stopper", "condor-complete"]
)
def test_a_taskforce_of_any_phase_is_shown_without_what_only_an_offer_has(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str], phase: str
) -> None:
    uuid = wms.add_taskforce(
        taskforce={"phase": phase, "cluster_id": 17}, pilot_environment={"COLOUR": "red"}
    )
    seen, output = shown(looking, uuid, terminal)
    assert seen
    assert f"phase {phase}\nits cluster is 17: " in output
    assert "it is not offered now" in output
    assert description_in(output)["batch_name"] == uuid
    environment = environment_in(output)
    assert environment["EWMS_PILOT_TASK_IMAGE"] == UNKNOWN
    assert environment["COLOUR"] == "red"
    assert [name for name in environment if "QUEUE" in name] == []


def test_a_taskforce_behind_another_one_is_not_mixed_up_with_it(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    wms.add_taskforce(priority=500, task={"task_image": "/of/the/first"})
    uuid = wms.add_taskforce()
    seen, output = shown(looking, uuid, terminal)
    assert seen
    assert "/of/the/first" not in output
    assert "it is not offered now" in output


@pytest.mark.parametrize(
    ("wrong", "field", "what_is_left"),
    [
        ({"worker_config": {"condor_requirements": "true || ("}}, "condor_requirements is not", "# /"),
        ({"worker_config": {"worker_memory": "much"}}, "worker_memory must", "# /"),
        ({"pilot_config": {"input_files": ["/proc/1/environ"]}}, "input_files may not", "# /"),
        ({"taskforce": {"n_workers": 0}}, "n_workers must be at least 1", "# /"),
        (
            {"pilot_environment": {"OPTIND": "1"}},
            "the shell's own: 'OPTIND'",
            "# the submit",
        ),
        ({"worker_config": {"n_cores": ...}}, "taskforce.worker_config.n_cores: Field required", ""),
    ],
)
def test_a_refusal_names_the_field_and_the_rest_is_still_shown(
    looking: Neighbours,
    wms: StandInWms,
    terminal: pytest.CaptureFixture[str],
    wrong: dict[str, object],
    field: str,
    what_is_left: str,
) -> None:
    uuid = wms.add_taskforce(**wrong, validate=False)  # type: ignore[arg-type]
    seen, output = shown(looking, uuid, terminal)
    assert not seen
    assert "it cannot be started: " in output
    assert field in output
    assert what_is_left in output
    assert len([line for line in output.splitlines() if line.startswith("# ")]) == (1 if what_is_left else 0)


def test_pilots_that_cannot_be_heard_are_reported_as_silent(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    hint = "# the status of its pilots stays null: EWMS_PILOT_HTCHIRP switches their chirps off\n"
    heard = wms.add_taskforce(priority=500)
    assert hint not in shown(looking, heard, terminal)[1]
    silent = wms.add_taskforce(priority=900, pilot_environment={"EWMS_PILOT_HTCHIRP": "no"})
    assert hint in shown(looking, silent, terminal)[1]


def test_failed_starts_are_reported(
    n: Neighbours,
    looking: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    terminal: pytest.CaptureFixture[str],
) -> None:
    uuid = wms.add_taskforce(pilot_config={"tag": "../x"}, validate=False)
    schedd.down = False
    for _ in range(3):
        Starter(n).run_once()
    assert "3 start(s) of it have failed" in shown(looking, uuid, terminal)[1]


@pytest.mark.parametrize("uuid", ["TF-unknown", "../../tms/pending-starter/taskforces", "", "a b"])
def test_an_unknown_taskforce_is_reported_as_unknown(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str], uuid: str
) -> None:
    wms.add_taskforce()
    assert shown(looking, uuid, terminal) == (False, f"the WMS does not know taskforce {uuid}\n")
    assert {request.path for request in wms.requests_to("GET", "/v1/**")} <= {"/v1/taskforces/TF-unknown"}


def test_a_wms_that_is_down_is_reported_as_down(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    uuid = wms.add_taskforce()
    wms.fault("error", route="/v1/**")
    seen, output = shown(looking, uuid, terminal)
    assert not seen
    assert output.startswith("the WMS cannot be asked: ")


def test_nothing_a_user_wrote_acts_on_the_terminal(
    looking: Neighbours, wms: StandInWms, terminal: pytest.CaptureFixture[str]
) -> None:
    uuid = wms.add_taskforce(
        pilot_environment={"NAME": "\x1b[2Jowned\nforged"}, taskforce={"schedd": "\x1b[2Jx"}, validate=False
    )
    _, output = shown(looking, uuid, terminal)
    assert "owned" in output
    assert all(line.isprintable() for line in output.splitlines())
    assert not any(line.startswith("forged") for line in output.splitlines())


def test_by_hand_it_needs_no_htcondor_and_writes_nothing(
    environment: dict[str, str], wms: StandInWms
) -> None:
    uuid = wms.add_taskforce(mqprofile=QUEUE)
    scratch = Path(environment["JOB_EVENT_LOG_DIR"])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "starter", *arguments],
            env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null"} | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    done = run("--show", uuid)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"batch_name = {uuid}" in done.stdout
    assert not {TOKEN, PASSWORD} & set(done.stdout.split())
    assert run("--show", "TF-unknown").returncode == 1
    assert run("--show", "").returncode == 1  # no pass, above all
    assert run("--show").returncode == 2
    assert run("--show", uuid, "--check").returncode == 2
    assert not scratch.exists()
    assert wms.requests_to("POST", "/v1/tms/**") == []
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
