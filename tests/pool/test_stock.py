"""The sandbox's pool is an unchanged one, but for its size, its hurry, and the repository that it mounts."""

from __future__ import annotations

import re

import classad2
import pytest

from common.settings import REQUIREMENTS
from tests.sandbox.control import PoolClient

CVMFS = "HAS_CVMFS_icecube_opensciencegrid_org"
# What differs between two pools of one configuration: ports, times, loads; and the sandbox's size.
_OWN = re.compile(
    r"AddressV1|MyAddress|\w+IpAddr|CollectorHost|COLLECTOR_HOST_STRING"
    r"|MonitorSelf\w+|\w*DutyCycle|\w*Load\w*|Updates\w+|UpdateSequenceNumber|\w*StatsLifetime|\w+Idle"
    r"|\w+Time|JobQueueBirthdate|ExpectedMachine\w+|LastHeardFrom|DaemonLastReconfig\w+|EnteredCurrent\w+|Clock\w+"
    r"|(Total|TotalSlot)?(Cpus|Memory|Disk)|DetectedDisk|ExecuteVolume"
)

Ads = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def stock(pool: PoolClient) -> Ads:
    return pool.fresh_ads(stock=True)


def test_startd_and_schedd_advertise_what_those_of_an_unchanged_pool_do(pool: PoolClient, stock: Ads) -> None:
    """A machine that knew more about itself than those of a real pool would hide wrong requirements."""
    ours = pool.fresh_ads(stock=False)
    assert ours["Machine"].pop(CVMFS) is True
    for kind in ("Machine", "Scheduler"):
        compared = {name for name in ours[kind].keys() | stock[kind].keys() if not _OWN.fullmatch(name)}
        different = {name: (ours[kind].get(name), stock[kind].get(name)) for name in compared}
        assert {name: pair for name, pair in different.items() if pair[0] != pair[1]} == {}
        assert len(compared) > 50


def test_the_default_requirements_hold_on_an_unchanged_machine_that_mounts_the_repository(
    stock: Ads,
) -> None:
    advertised = stock["Machine"]
    known = ("HasSingularity", "HasUserNamespaces", "SingularityUserNamespaces")
    words = [f"{name} = {str(advertised[name]).lower()}" for name in known if name in advertised]
    machine = "; ".join([*words, f"{CVMFS} = true"])
    assert classad2.ClassAd(f"[{machine}; R = {REQUIREMENTS}]").eval("R") is True
