"""The submit description that a taskforce becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import SubmitRejected
from common.settings import Settings
from common.wms.contract import NewTaskforce
from starter.submit_description import describe, pilot_image, priority

DIRECTORY = Path("/scratch/ewms-taskforce-TF-1")
LOG = Path("/scratch/2026-11-22.tms.jel")


@pytest.fixture
def settings() -> Settings:
    return Settings.from_environment(
        {
            "EWMS_ADDRESS": "https://wms.example.org",
            "EWMS_TOKEN_URL": "https://keycloak.example.org",
            "EWMS_CLIENT_ID": "tms",
            "EWMS_CLIENT_SECRET": "secret",
            "JOB_EVENT_LOG_DIR": "/scratch",
            "TMS_EXCLUDED_SITES": "Bad Site",
        }
    )


def taskforce(**worker: object) -> NewTaskforce:
    return NewTaskforce.model_validate(
        {
            "taskforce_uuid": "TF-1",
            "n_workers": 11,
            "pilot_config": {
                "tag": "1.2.3",
                "image_source": "CVMFS",
                "environment": {},
                "input_files": ["/data/in"],
            },
            "worker_config": {
                "do_transfer_worker_stdouterr": True,
                "max_worker_runtime": 3600,
                "n_cores": 2,
                "priority": 100,
                "worker_disk": "1GB",
                "worker_memory": "512M",
                "condor_requirements": "has_avx2",
            }
            | worker,
        }
    )


def test_the_description_asks_for_what_the_taskforce_needs(settings: Settings) -> None:
    description = describe(taskforce(), settings, DIRECTORY, LOG)
    assert description == {
        "universe": "container",
        "container_image": settings.cvmfs_pilot_path + ":1.2.3",
        "transfer_container": "false",
        "transfer_executable": "false",
        "requirements": f'({settings.requirements}) && (GLIDEIN_Site =!= "Bad Site") && (has_avx2)',
        "request_cpus": "2",
        "request_memory": "512",
        "request_disk": str(2**20),
        "priority": "100 - ( ($(ProcId) * 50) / 10 )",
        "initialdir": "/scratch/ewms-taskforce-TF-1",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT_OR_EVICT",
        "transfer_input_files": "/data/in, /scratch/ewms-taskforce-TF-1/ewms_htcondor_envfile.sh",
        "transfer_output_files": '""',
        "log": "/scratch/2026-11-22.tms.jel",
        "batch_name": "TF-1",
        "submit_event_user_notes": "EWMSTaskforceUUID=TF-1",
        "ulog_execute_attrs": "GLIDEIN_Site, OSG_SITE_NAME, GLIDEIN_ResourceName",
        "+EWMSTaskforceUUID": '"TF-1"',
        "+WantRemoteUpdates": "true",
        "+LimitDirectoryAccess": '"/scratch/ewms-taskforce-TF-1, /data/in*"',
        "+FileSystemDomain": '"blah"',
        "+OriginalTime": "3600",
        "output": "cluster-$(ClusterId)/$(ProcId).out",
        "error": "cluster-$(ClusterId)/$(ProcId).err",
    }


def test_output_comes_back_only_where_the_user_wants_it(settings: Settings) -> None:
    description = describe(taskforce(do_transfer_worker_stdouterr=False), settings, DIRECTORY, LOG)
    assert not {"output", "error"} & description.keys()


@pytest.mark.parametrize("source", ["cvmfs", "auto", "Auto", "CVMFS"])
def test_both_image_sources_mean_the_pilot_on_cvmfs(source: str) -> None:
    assert pilot_image("/cvmfs/x/ewms-pilot", source, "latest") == "/cvmfs/x/ewms-pilot:latest"


@pytest.mark.parametrize(
    ("source", "tag"),
    [("docker", "1.2.3"), ("cvmfs", "../x"), ("cvmfs", ""), ("cvmfs", "a b"), ("cvmfs", "-x")],
)
def test_an_unknown_source_or_an_impossible_tag_is_refused(source: str, tag: str) -> None:
    with pytest.raises(SubmitRejected):
        pilot_image("/cvmfs/x/ewms-pilot", source, tag)


@pytest.mark.parametrize(
    ("first", "n", "expected"),
    [
        (100, 123, "100 - ( ($(ProcId) * 50) / 122 )"),
        (99, 2, "99 - ( ($(ProcId) * 49) / 1 )"),
        (100, 1, "100"),
        (1, 50, "1"),
        (0, 50, "0"),
        (-5, 50, "-5"),
    ],
)
def test_the_priority_falls_to_half_over_the_jobs(first: int, n: int, expected: str) -> None:
    assert priority(first, n) == expected


def test_an_operators_commands_and_attributes_come_beside_those_of_the_starter(settings: Settings) -> None:
    own = {"accounting_group": "group_x.ewms", "+ProjectName": '"IceCube"'}
    with_own = settings.model_copy(update={"submit_commands": own})
    plain = describe(taskforce(), settings, DIRECTORY, LOG)
    assert describe(taskforce(), with_own, DIRECTORY, LOG) == plain | own


def test_each_start_is_logged_with_the_attributes_that_name_sites(settings: Settings) -> None:
    own = settings.model_copy(update={"site_attributes": ("MySite", "GLIDEIN_ResourceName")})
    described = describe(taskforce(), own, DIRECTORY, LOG)
    assert described["ulog_execute_attrs"] == "MySite, GLIDEIN_ResourceName"


def test_the_gate_looks_at_an_operators_values_too(settings: Settings) -> None:
    wrong = settings.model_copy(update={"submit_commands": {"+ProjectName": '"$ENV(HOME)"'}})
    with pytest.raises(SubmitRejected, match="ProjectName has a macro"):
        describe(taskforce(), wrong, DIRECTORY, LOG)


def test_the_run_time_is_a_wish_unless_it_is_enforced(settings: Settings) -> None:
    enforced = settings.model_copy(update={"max_runtime_enforced": True})
    plain = describe(taskforce(), settings, DIRECTORY, LOG)
    more = describe(taskforce(), enforced, DIRECTORY, LOG)
    assert {command: value for command, value in more.items() if command not in plain} == {
        "periodic_remove": "(JobStatus == 2 && time() - max({JobCurrentStartDate,"
        " JobCurrentStartExecutingDate}) > 3600) =?= true",
        "+PeriodicRemoveReason": '"EWMS: it ran for longer than max_worker_runtime"',
    }
    assert describe(taskforce(max_worker_runtime=0), enforced, DIRECTORY, LOG) == plain | {
        "+OriginalTime": "0"
    }
