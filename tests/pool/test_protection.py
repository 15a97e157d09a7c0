"""What a job can change of its own ad, on a stock schedd and with the configuration that we ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.condor.protection import BINDING, configuration
from common.condor.schedd import Schedd
from tests.pool.any_job import submit_any
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


@pytest.fixture
def protected(pool: PoolClient) -> Iterator[None]:
    """The schedd as the service asks its administrator for it."""
    pool.configure(configuration(BINDING))
    yield
    pool.configure()


def probes_left(pool: PoolClient) -> str:
    return pool.tool("condor_q", "-all", "-constraint", "EWMSProbe isnt undefined", "-af", "ClusterId").stdout


def test_on_a_stock_schedd_a_job_can_change_all_that_binds_it(pool: PoolClient, directory: Path) -> None:
    schedd = Schedd()
    # HTCondor's own list, which 23.9.6 has shorter.
    own = {"JobUniverse"} if pool.version.startswith("25") else set()
    assert set(BINDING) - set(schedd.open_attributes()) == own
    assert set(BINDING) - set(schedd.open_attributes(str(directory))) == own
    assert not probes_left(pool)


CHANGES = f"""
for attribute in {BINDING!r}:
    tries("set_job_attr", attribute, '"x"')
tries("ulog", "HTChirpEWMSPilotStatus: \\"Tasking\\"")
tries("set_job_attr", "HTChirpEWMSPilotStatus", '"Tasking"')
"""


@pytest.mark.usefixtures("protected")
def test_with_the_printed_configuration_it_can_change_none_and_still_chirps(
    pool: PoolClient, directory: Path
) -> None:
    schedd = Schedd()
    assert schedd.open_attributes() == []
    assert schedd.open_attributes(str(directory)) == []
    assert schedd.changeable_attributes() == []  # so the stopper need not compare anything
    assert not probes_left(pool)
    job = submit_any(pool, directory, CHANGES)
    log = job.ends(90)
    eventually(lambda: "HTChirpEWMSPilotStatus" in job.output, "its output is back")
    assert re.findall(r"(?m)^set_job_attr (\S+) .*refused", job.output) == list(BINDING)
    assert 'HTChirpEWMSPilotStatus: "Tasking"' in log
    assert re.search(r"(?m)^set_job_attr HTChirpEWMSPilotStatus .*-> None$", job.output)


def test_a_probe_that_a_kill_left_is_removed_by_the_next_one_and_others_are_not(
    pool: PoolClient, directory: Path
) -> None:
    submit = 'universe=vanilla\nexecutable=/bin/true\nhold=true\n+EWMSProbe="{}"\nqueue\n'
    for tag in (str(directory), "/another/instance"):
        (directory / "probe.sub").write_text(submit.format(tag))
        pool.tool("condor_submit", "-terse", f"{directory}/probe.sub")
    Schedd().open_attributes(str(directory))
    probes = ("-constraint", "EWMSProbe isnt undefined")
    left = pool.tool("condor_q", "-all", *probes, "-af", "EWMSProbe").stdout.split()
    pool.tool("condor_rm", *probes)
    assert left == ["/another/instance"]


def test_where_it_is_required_the_service_starts_nothing_before_the_schedd_is_configured(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    tms.environment["TMS_REQUIRE_PROTECTED_JOBS"] = "true"
    uuid = wms.add_taskforce(worker_config=SMALL)
    check = tms.worker("starter", "--check")
    assert check.returncode == 1
    assert "FAIL jobs     nothing is started: a job can change " in check.stdout
    printed = re.search(r"IMMUTABLE_JOB_ATTRS = .*", check.stdout)
    assert printed
    tms.start()
    eventually(lambda: "nothing is started: a job can change" in tms.output.read_text(), "it logs why")
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    tms.stop()

    try:
        pool.configure(printed[0])
        assert "ok   jobs" in tms.worker("starter", "--check").stdout
        tms.start()
        eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "it completes", seconds=120)
    finally:
        pool.configure()
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}
    assert not probes_left(pool)
