"""A person sees the clusters that nobody owns, and removes them only after a question."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.neighbours import Neighbours
from stopper.__main__ import main
from stopper.list_orphans import show
from stopper.orphans import GRACE
from tests.fakes import FakeClock, FakeSchedd
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running

WANTED, FINISHED, UNKNOWN = 100, 101, 102  # clusters, as the fake schedd numbers them


@pytest.fixture
def queue(n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock) -> None:
    """A cluster that the WMS wants, one that it has finished, and one that it does not know."""
    finished = wms.add_taskforce(taskforce={"phase": "condor-rm", "cluster_id": FINISHED})
    for uuid in (add_running(wms, WANTED), finished, "TF-unknown"):
        submit(n, schedd, uuid)
    clock.now += GRACE


def submit(n: Neighbours, schedd: FakeSchedd, uuid: str) -> None:
    log = n.scratch.directory / "2026-11-22.tms.jel"
    schedd.submit({"+EWMSTaskforceUUID": f'"{uuid}"', "log": str(log)}, 2)


def answers(word: str) -> Callable[[str], str]:
    return lambda question: word


def removed(schedd: FakeSchedd) -> list[int]:
    return [cluster_id for cluster_id, _ in schedd.removals]


def test_orphans_are_listed_with_the_reason_and_stay(
    queue: None, n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(n)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(FINISHED), str(UNKNOWN)]
    assert lines[0].endswith(": the WMS has its taskforce in phase condor-rm")
    assert lines[1].endswith(": the WMS does not know its taskforce")
    assert removed(schedd) == []


def test_after_a_yes_they_are_removed(queue: None, n: Neighbours, schedd: FakeSchedd) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "yes"

    assert show(n, remove=True, answer=answer)
    assert asked == ["Remove 2 cluster(s), 1 of them unknown to this WMS? Type yes: "]
    assert removed(schedd) == [FINISHED, UNKNOWN]


@pytest.mark.parametrize("word", ["", "y", "no"])
def test_after_any_other_answer_they_stay(queue: None, n: Neighbours, schedd: FakeSchedd, word: str) -> None:
    assert show(n, remove=True, answer=answers(word))
    assert removed(schedd) == []


def test_what_has_an_owner_by_the_time_of_the_answer_stays(
    queue: None, n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    def answer(question: str) -> str:
        wms.add_taskforce(
            taskforce={"taskforce_uuid": "TF-unknown", "phase": "condor-submit", "cluster_id": UNKNOWN}
        )
        return "yes"

    assert show(n, remove=True, answer=answer)
    assert removed(schedd) == [FINISHED]


def test_a_script_answers_yes_beforehand(queue: None, n: Neighbours, schedd: FakeSchedd) -> None:
    assert show(n, remove=True, yes=True, answer=lambda question: pytest.fail(question))
    assert removed(schedd) == [FINISHED, UNKNOWN]


def test_a_wms_that_knows_none_of_our_clusters_is_the_wrong_one(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(n, schedd, "TF-unknown")
    clock.now += GRACE
    assert not show(n, remove=True, yes=True)
    assert "Is EWMS_ADDRESS right?" in capsys.readouterr().out
    assert removed(schedd) == []


def test_what_was_submitted_just_now_is_the_starters(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(n, schedd, "TF-new")
    assert show(n)
    assert capsys.readouterr().out == "No orphans: each cluster of ours has an owner.\n"


@pytest.mark.parametrize("neighbour", ["wms", "schedd", "queue"])
def test_while_a_neighbour_does_not_answer_nothing_is_an_orphan(
    queue: None,
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    capsys: pytest.CaptureFixture[str],
    neighbour: str,
) -> None:
    if neighbour == "wms":
        wms.down()
    elif neighbour == "schedd":
        schedd.down = True
    else:
        n.scratch.note_queue(schedd.queue())
        schedd.exchange()
    assert not show(n, remove=True, yes=True)
    assert removed(schedd) == []
    assert capsys.readouterr().out.strip()


def test_remove_and_yes_belong_to_orphans_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--remove"], ["--once", "--yes"], ["--orphans", "--yes"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
    assert "unrecognized arguments: --yes" in capsys.readouterr().err
