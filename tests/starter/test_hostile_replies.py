"""Whatever the WMS answers, a pass ends in order, and a taskforce that is wrong holds up no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import SubmitRejected, TmsError, WmsUnavailable
from common.neighbours import Neighbours
from common.settings import Settings
from common.wms.client import Wms
from common.wms.contract import parse_offer, parse_taskforce
from starter.failed_start import MAX_REASON
from starter.pilot_environment import pilot_environment, render
from starter.starter import Starter
from starter.submit_description import describe
from stopper.stopper import Stopper
from tests.fakes import FakeSchedd
from tests.sandbox.wms import StandInWms

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NASTY: st.SearchStrategy[Any] = st.sampled_from(
    ["a\nb", "x\\", "$ENV(HOME)", "\ud800", "\0", "a" * 200_000, 10**30, -1, 1e999, True, [], {}, None]
)
WRONG = JSON | NASTY


def offer() -> dict[str, Any]:
    """A reply that is in order."""
    return {
        "taskforce": {
            "taskforce_uuid": "TF-1",
            "timestamp": 1_795_000_000.0,
            "n_workers": 2,
            "phase_change_log": [],
            "pilot_config": {
                "tag": "latest",
                "image_source": "cvmfs",
                "environment": {"A": "1"},
                "input_files": [],
            },
            "worker_config": {
                "do_transfer_worker_stdouterr": True,
                "max_worker_runtime": 60,
                "n_cores": 1,
                "priority": 99,
                "worker_disk": "1GB",
                "worker_memory": "512MB",
                "condor_requirements": "",
            },
        },
        "task_directive": {
            "task_image": "/cvmfs/image",
            "task_args": "x",
            "task_env": {"B": "2"},
            "init_env": {},
            "input_queues": ["q"],
            "output_queues": ["q"],
        },
        "mqprofiles": [
            {"mqid": "q", "auth_token": "canary", "broker_type": "rabbitmq", "broker_address": "h"}
        ],
    }


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value in an offer, from the whole to the smallest."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


PLACES = [place for place in places(offer()) if place]


def spoiled(place: tuple[Any, ...], value: object) -> dict[str, Any]:
    reply = offer()
    at: Any = reply
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return reply


@pytest.fixture(scope="module")
def operator() -> Settings:
    environment = {
        "EWMS_ADDRESS": "https://wms.example.org",
        "EWMS_TOKEN_URL": "https://keycloak.example.org",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "secret",
        "JOB_EVENT_LOG_DIR": "/scratch",
    }
    return Settings.from_environment(environment)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=WRONG)
def test_a_wrong_value_anywhere_makes_a_description_or_a_refusal(
    operator: Settings, place: tuple[Any, ...], value: object
) -> None:
    try:
        made = parse_offer(spoiled(place, value))
        directory = operator.job_event_log_dir / "d"
        description = describe(made.taskforce, operator, directory, operator.job_event_log_dir / "l")
        envfile = render(pilot_environment(made, {}))
    except SubmitRejected as error:
        assert "canary" not in str(error)
        assert len(str(error)[:MAX_REASON].encode("utf-8", "replace")) < 10_000
    else:
        assert all(text.isprintable() for text in description.values())
        assert "\0" not in envfile


class Replies:
    """The WMS's HTTP side, which answers everything with one and the same JSON."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        return json.loads(json.dumps(self.reply))

    def post(self, path: str, body: Any, *, repeatable: bool = False) -> Any:
        json.dumps(body).encode()
        return self.get(path)


OBJECTS = st.dictionaries(
    st.sampled_from(["taskforce", "taskforces", "results", "next_after", "taskforce_uuid", "cluster_id"])
    | st.text(max_size=5),
    JSON,
    max_size=4,
)
RECORDS = st.fixed_dictionaries(
    {"taskforce_uuid": st.just("TF-1") | JSON},
    optional=dict.fromkeys(("phase", "cluster_id", "n_workers", "phase_change_log"), JSON),
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(reply=OBJECTS | RECORDS)
def test_no_object_ends_a_call_to_the_wms_in_disorder(reply: Any) -> None:
    wms = Wms(Replies(reply), "ap1")
    calls = (
        wms.ping,
        wms.next_to_start,
        wms.next_to_stop,
        lambda: wms.taskforce("TF-1"),
        lambda: list(wms.taskforces({}, ["phase"])),
        lambda: wms.confirm_stopped("TF-1"),
        lambda: wms.report_statuses({"TF-1": {}}, {"TF-1": {}}),
    )
    for call in calls:
        try:
            call()
        except TmsError:
            continue


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(reply=OBJECTS | RECORDS | st.sampled_from([{"taskforce": offer()["taskforce"]}]))
def test_no_object_ends_a_pass_in_disorder(n: Neighbours, reply: Any) -> None:
    hostile = Neighbours(n.settings, Wms(Replies(reply), "ap1"), n.schedd, n.scratch, n.stop, n.clock)
    for worker in (Starter(hostile), Stopper(hostile)):
        try:
            worker.run_once()
        except TmsError:
            continue


def test_a_query_whose_pages_never_end_is_given_up() -> None:
    class Endless(Replies):
        pages = 0

        def post(self, path: str, body: Any, *, repeatable: bool = False) -> Any:
            self.pages += 1
            return {"taskforces": [{"taskforce_uuid": "TF-1"}], "next_after": str(self.pages)}

    endless = Endless({})
    with pytest.raises(WmsUnavailable, match="does not end"):
        list(Wms(endless, "ap1").taskforces({}, []))
    assert endless.pages <= 1000


def test_results_about_taskforces_that_were_not_sent_are_nobodys() -> None:
    reply = {"results": [{"uuid": "TF-2", "status": "failed"}, {"uuid": "TF-1", "status": "failed"}, 7, None]}
    assert Wms(Replies(reply), "ap1").report_statuses({"TF-1": {}}, {}).unknown == {"TF-1"}


@pytest.mark.parametrize("statuses", [7, [1], {"IDLE": 1}, {"IDLE": {"null": 1.5}}, {"IDLE": {"null": None}}])
def test_statuses_that_are_none_count_as_absent(statuses: object) -> None:
    assert parse_taskforce({"taskforce_uuid": "TF-1", "compound_statuses": statuses}).compound_statuses == {}


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**30, 1.5, True, "7"])
def test_a_cluster_id_that_is_none_counts_as_absent(number: object) -> None:
    assert parse_taskforce({"taskforce_uuid": "TF-1", "cluster_id": number}).cluster_id is None


@pytest.mark.parametrize("uuid", ["../x", "a/b", "TF 1", "", "TF-1\n", "é", 'TF"1', 7, None, "x" * 129])
def test_an_id_that_is_no_name_is_an_outage(uuid: object) -> None:
    with pytest.raises(WmsUnavailable):
        parse_taskforce({"taskforce_uuid": uuid})


@pytest.mark.parametrize("timestamp", [1e18, -5.0, 1e308])
def test_a_taskforce_of_another_time_is_submitted_once_or_refused_and_the_next_goes_on(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, timestamp: object
) -> None:
    odd = wms.add_taskforce(taskforce={"timestamp": timestamp}, validate=False)
    good = wms.add_taskforce()
    for _ in range(4):
        Starter(n).run_once()
    assert wms.taskforce(good)["phase"] == "condor-submit"
    assert sum(cluster.taskforce_uuid == odd for cluster in schedd.known.values()) <= 1


def test_a_reason_is_of_bounded_length(n: Neighbours, wms: StandInWms) -> None:
    environment = {f"A{number}": {"no": "text"} for number in range(5000)}
    for config in ({"tag": "x" * 100_000}, {"environment": environment}):
        uuid = wms.add_taskforce(pilot_config=config, validate=False)
        Starter(n).run_once()
        assert len(wms.taskforce(uuid)["phase_change_log"][-1]["context"]) < 3000
