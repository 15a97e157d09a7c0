"""Each post moves a taskforce along the phase machine of the WMS."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sandbox.stand_in.caller import PHASES, SUBMITTED, TO_STOP, Caller, Clock, Json, action
from tests.sandbox.wms import StandInWms

REACHES: dict[str, Callable[[str], str]] = {
    # What each post leaves behind: from every phase, or (condor-submit) from one only.
    "condor-submit": lambda phase: "condor-submit" if phase == "pending-starter" else "404",
    "condor-submit/failed": lambda phase: phase if phase == "pending-starter" else "404",
    "condor-rm": lambda phase: "condor-rm",
    "condor-rm/failed": lambda phase: phase,
    "condor-complete": lambda phase: "condor-complete",
    "abort": lambda phase: phase if phase in PHASES[4:] else "pending-stopper",
    "finished": lambda phase: phase if phase in PHASES[4:] else "pending-stopper",
}
BODIES: dict[str, Json] = {
    "condor-submit": SUBMITTED,
    "condor-submit/failed": {"error": "no"},
    "condor-rm": {},
    "condor-rm/failed": {"error": "no"},
    "condor-complete": {"condor_complete_ts": 1_749_999_000},
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("post", REACHES)
def test_each_post_from_each_phase(
    wms: StandInWms, call: Caller, clock: Clock, phase: str, post: str
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": phase})
    if post in BODIES:
        reply = call("POST", action(post, uuid), BODIES[post])
        assert reply.status_code == 404 or reply.json() == {"taskforce_uuid": uuid}
    else:
        workflow_id = wms.taskforce(uuid)["workflow_id"]
        reply = call.as_user()("POST", f"/v1/workflows/{workflow_id}/actions/{post}", {})
        assert reply.json() == {"workflow_id": workflow_id, "n_taskforces": int(phase not in PHASES[4:])}
    after = wms.taskforce(uuid)
    expected = REACHES[post](phase)
    if expected == "404":
        assert reply.status_code == 404
        assert (after["phase"], len(after["phase_change_log"])) == (phase, 1)
        return
    assert reply.status_code == 200
    assert after["phase"] == expected
    [entry] = after["phase_change_log"][1:]
    target = {"abort": "pending-stopper", "finished": "pending-stopper"}.get(
        post, post.removesuffix("/failed")
    )
    successful = not post.endswith("/failed") and (post in BODIES or phase not in PHASES[4:])
    assert (entry["target_phase"], entry["was_successful"]) == (target, successful)
    begins = "ERROR: " if post.endswith("/failed") else "User deactivated" if post not in BODIES else ""
    assert entry["context"].startswith(begins)
    assert entry["timestamp"] == clock.now
    assert entry["source_event_time"] == (1_749_999_000 if post == "condor-complete" else None)


def test_a_confirmed_submit_stores_the_cluster_and_overwrites_n_workers(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce(n_workers=3)
    assert call.post(action("condor-submit", uuid), SUBMITTED) == 200
    assert {name: wms.taskforce(uuid)[name] for name in SUBMITTED} == SUBMITTED
    assert wms.taskforce(uuid)["n_workers"] == 7


def test_a_second_confirm_is_404_and_changes_nothing(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    call.post(action("condor-submit", uuid), SUBMITTED)
    assert call.post(action("condor-submit", uuid), SUBMITTED | {"cluster_id": 9}) == 404
    assert wms.taskforce(uuid)["cluster_id"] == 4235


def test_the_last_writer_wins_and_every_completion_is_logged(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 1})
    for name, body in [("condor-complete", {"condor_complete_ts": 1}), ("condor-rm", {})] * 2:
        assert call.post(action(name, uuid), body) == 200
        assert wms.taskforce(uuid)["phase"] == name
    targets = [entry["target_phase"] for entry in wms.taskforce(uuid)["phase_change_log"]]
    assert targets == ["pre-mq-activation", *["condor-complete", "condor-rm"] * 2]


def test_an_abort_before_the_submit_is_never_offered_for_stop(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    assert wms.abort(uuid)["n_taskforces"] == 1
    assert (wms.taskforce(uuid)["phase"], wms.taskforce(uuid)["cluster_id"]) == ("pending-stopper", None)
    assert call.offered(TO_STOP) is None
    assert call.offered() is None
    assert call.post(action("condor-submit", uuid), SUBMITTED) == 404
    assert call.post(action("condor-rm", uuid), {}) == 200
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_a_finish_after_the_submit_is_offered_for_stop(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    call.post(action("condor-submit", uuid), SUBMITTED)
    wms.finish(uuid)
    assert call.offered(TO_STOP) == uuid
    workflow = call.as_user().get(f"/v1/workflows/{wms.taskforce(uuid)['workflow_id']}")
    assert (workflow["deactivated"], workflow["deactivated_ts"]) == ("FINISHED", 1_750_000_000)


def test_an_abort_moves_only_the_taskforces_that_run(wms: StandInWms, call: Caller) -> None:
    first, second = (
        one["taskforce_uuid"] for one in wms.add_workflow([{}, {"task_args": "2"}])["taskforces"]
    )
    assert call.post(action("condor-complete", first), {"condor_complete_ts": 5}) == 200
    assert wms.abort(second)["n_taskforces"] == 1
    log = wms.taskforce(first)["phase_change_log"]
    assert (log[-1]["target_phase"], log[-1]["was_successful"]) == ("pending-stopper", False)
    assert (wms.taskforce(first)["phase"], wms.taskforce(second)["phase"]) == (
        "condor-complete",
        "pending-stopper",
    )


def test_a_workflow_that_is_deactivated_cannot_be_again(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    wms.abort(uuid)
    before = wms.taskforce(uuid)
    for act in ("abort", "finished"):
        reply = call.as_user()("POST", f"/v1/workflows/{before['workflow_id']}/actions/{act}", {})
        assert reply.status_code == 404
        assert "no non-deactivated workflow found" in reply.json()["error"]
    assert wms.taskforce(uuid) == before


def test_a_launch_overwrites_an_abort(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(launch=False)
    assert call.offered() is None
    wms.abort(uuid)
    wms.launch(uuid)
    assert call.offered() == uuid


@pytest.mark.parametrize("name", BODIES)
def test_an_unknown_taskforce_is_404(call: Caller, name: str) -> None:
    assert call.post(action(name, "TF-unknown"), BODIES[name]) == 404
    assert call("GET", "/v1/taskforces/TF-unknown").status_code == 404
