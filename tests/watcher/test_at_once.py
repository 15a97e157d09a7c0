"""What a log shows reaches the WMS within two seconds, by few requests; the loop is the real one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from common.condor.records import EndedJob
from common.neighbours import Neighbours
from common.settings import Settings
from common.worker import LOOK, run_forever
from tests.fakes import FakeClock, FakeCluster, FakeSchedd, FakeStop
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.pace import MOST, PERIOD
from watcher.watcher import build

COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
STATUSES = "/v1/tms/statuses/taskforces"
INTERVAL = 180.0
SOON = 2.0


class Day(FakeStop):
    """Time passes while the watcher waits: acts happen then, and the service stops at the end."""

    def __init__(self, clock: FakeClock, wms: StandInWms) -> None:
        super().__init__(clock)
        self.day, self.wms, self.begin = clock, wms, clock()
        self.acts: list[tuple[float, Callable[[], object]]] = []
        self.reported: list[float] = []  # when the WMS got statuses, in seconds since the begin
        self.wait_ends_at = INTERVAL

    def at(self, second: float, act: Callable[[], object]) -> None:
        """What somebody does then."""
        self.acts.append((self.begin + second, act))

    def wait(self, seconds: float) -> bool:
        new = len(self.wms.requests_to("POST", STATUSES)) - len(self.reported)
        self.reported += [self.day() - self.begin] * new
        self.waited.append(seconds)
        end = self.day() + seconds
        for moment, act in sorted((one for one in self.acts if one[0] <= end), key=lambda one: one[0]):
            self.day.now = max(self.day(), moment)
            act()
        self.acts = [one for one in self.acts if one[0] > end]
        self.day.now = end
        if end - self.begin >= self.wait_ends_at:
            self.set()
        return self.is_set()


@pytest.fixture
def day(clock: FakeClock, wms: StandInWms) -> Day:
    return Day(clock, wms)


Start = Callable[..., str]


@pytest.fixture
def start(wms: StandInWms, schedd: FakeSchedd, jel: JelWriter) -> Start:
    """Start a taskforce as a cluster, in the WMS, the queue and the log."""

    def started(cluster_id: int, n_workers: int = 1) -> str:
        uuid = add_running(wms, cluster_id, n_workers)
        schedd.known[cluster_id] = FakeCluster(cluster_id, uuid, {"log": str(jel.path)}, n_workers, 0)
        jel.submit(cluster_id, uuid, n_workers)
        return uuid

    return started


@pytest.fixture
def follow(n: Neighbours, day: Day) -> Callable[[float], list[float]]:
    """Let the watcher's loop run for so many seconds; returns when it reported statuses."""

    def run(seconds: float) -> list[float]:
        day.wait_ends_at = seconds
        site = replace(n, stop=day)
        run_forever(build(site), site)
        return day.reported

    return run


Follow = Callable[[float], list[float]]


def soon_after(moments: list[float], reported: list[float]) -> bool:
    """Whether there is one report after each moment, soon enough."""
    return len(moments) == len(reported) and all(
        0 <= then - moment <= SOON for moment, then in zip(moments, reported, strict=True)
    )


def test_each_new_pair_of_statuses_reaches_the_wms_within_two_seconds(
    day: Day, follow: Follow, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    day.at(10, lambda: jel.execute((7, 0)))
    day.at(20, lambda: jel.chirp((7, 0), "Status", '"Tasking"'))
    day.at(30.5, lambda: jel.hold((7, 0), 1, 0, "via condor_hold"))
    first, *others = follow(60)
    assert first == 0
    assert soon_after([10, 20, 30.5], others)
    assert wms.taskforce(uuid)["compound_statuses"] == {"HELD: User request": {"Tasking": 1}}


def test_the_end_of_the_last_job_completes_the_taskforce_within_two_seconds(
    day: Day, follow: Follow, wms: StandInWms, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    ended: list[float] = []
    day.at(10, lambda: jel.terminate((7, 0)))
    day.at(10 + SOON, lambda: ended.append(wms.taskforce(uuid)["phase"] == "condor-complete"))
    follow(20)
    assert ended == [True]


def test_counts_that_move_between_the_same_pairs_wait_for_the_interval(
    day: Day, follow: Follow, start: Start, wms: StandInWms, jel: JelWriter
) -> None:
    """Each of a hundred workers starts in a second of its own."""
    uuid = start(7, 100)
    for proc in range(100):
        day.at(10.5 + proc, partial(jel.execute, (7, proc)))
    reported = follow(2 * INTERVAL)
    assert reported[0] == 0
    assert 10.5 < reported[1] <= 10.5 + SOON  # the first one makes a new pair
    # The last one leaves none idle; the others are counted then.
    assert 109.5 < reported[2] <= 109.5 + SOON
    assert len(reported) == 3
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 100}}


def test_a_taskforce_that_was_reported_between_rounds_is_due_an_interval_later(
    day: Day, follow: Follow, start: Start, wms: StandInWms, jel: JelWriter
) -> None:
    """Not at the round that comes before that."""
    start(7, 3)
    day.at(100.5, lambda: jel.execute((7, 0)))
    day.at(120.5, lambda: jel.execute((7, 1)))
    reported = follow(2 * INTERVAL)
    assert reported[0] == 0
    assert 100.5 < reported[1] <= 100.5 + SOON
    assert reported[1] + INTERVAL <= reported[2] <= reported[1] + INTERVAL + SOON
    assert len(reported) == 3


def test_a_taskforce_that_was_quiet_for_an_interval_is_reported_at_once(
    day: Day, follow: Follow, start: Start, wms: StandInWms, jel: JelWriter
) -> None:
    start(7, 3)
    day.at(10, lambda: jel.execute((7, 0)))
    day.at(400.5, lambda: jel.execute((7, 1)))
    assert soon_after([10, 400.5], follow(500)[1:])


def test_beyond_the_cap_on_requests_the_interval_holds(
    day: Day, follow: Follow, start: Start, wms: StandInWms, jel: JelWriter
) -> None:
    """Every four seconds another taskforce has a new pair of statuses, for twenty minutes."""
    moments = [4.5 + 4 * number for number in range(300)]
    for number, moment in enumerate(moments):
        start(100 + number)
        day.at(moment, partial(jel.execute, (100 + number, 0)))
    seconds = 1200 + INTERVAL
    reported = follow(seconds)
    assert len(reported) <= MOST * seconds / PERIOD + MOST
    late = [min(then for then in reported if then >= moment) - moment for moment in moments]
    assert max(late) <= INTERVAL + SOON
    assert late[0] <= SOON
    assert [one["compound_statuses"] for one in wms.taskforces()] == [{"RUNNING": {"null": 1}}] * 300


def test_below_the_cap_each_of_many_taskforces_is_reported_within_two_seconds(
    day: Day, follow: Follow, start: Start, jel: JelWriter
) -> None:
    """One every 20 seconds, for twenty minutes."""
    moments = [20.5 + 20 * number for number in range(60)]
    for number, moment in enumerate(moments):
        start(100 + number)
        day.at(moment, partial(jel.execute, (100 + number, 0)))
    assert soon_after(moments, follow(1300)[1:])


def test_the_first_log_of_a_day_is_found_at_once(
    day: Day, follow: Follow, wms: StandInWms, n: Neighbours, clock: FakeClock
) -> None:
    def start() -> None:
        log = n.scratch.log_of(datetime.fromtimestamp(clock()).date())  # noqa: DTZ006
        JelWriter(log).submit(7, uuid, 1)

    uuid = add_running(wms, 7)
    day.at(10.5, start)
    assert soon_after([10.5], follow(20))


def test_a_look_without_news_opens_no_file_and_asks_nobody(
    day: Day, follow: Follow, n: Neighbours, wms: StandInWms, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch() -> None:
        before.append(len(wms.requests))
        monkeypatch.setattr(Path, "open", None)
        monkeypatch.setattr(n.scratch, "logs", None)

    before: list[int] = []
    day.at(5, watch)
    follow(INTERVAL - 1)
    assert [len(wms.requests)] == before
    assert day.waited[-100:] == [LOOK] * 100


def test_in_an_outage_the_watcher_waits_as_others_do_and_is_right_after_it(
    day: Day, follow: Follow, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    day.at(10, wms.down)
    day.at(11, lambda: jel.execute((7, 0)))
    for second in range(12, 100):
        day.at(second, lambda: jel.chirp((7, 0), "Other", '"x"'))
    day.at(100, wms.up)
    follow(INTERVAL)
    outage = [seconds for seconds in day.waited if seconds > LOOK]
    assert outage
    assert outage == sorted(outage)
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}


def test_an_end_that_the_queue_does_not_confirm_yet_is_looked_at_again_soon_and_then_less_often(
    day: Day,
    follow: Follow,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log may be a moment ahead of the queue, or somebody has forged the end."""
    schedd.known[7] = FakeCluster(7, uuid, {"log": ""}, 1, 0)
    asked: list[float] = []
    ask = schedd.live_clusters

    def note(cluster_ids: Collection[int]) -> dict[int, str]:
        asked.append(day.day())
        return ask(cluster_ids)

    monkeypatch.setattr(schedd, "live_clusters", note)
    day.at(10, lambda: jel.terminate((7, 0)))
    follow(INTERVAL - 1)
    pauses = [later - before for before, later in pairwise(asked)]
    assert 3 <= len(pauses) <= 6
    assert pauses[0] <= 10
    assert all(later >= 1.5 * before for before, later in pairwise(pauses))
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_a_completion_that_the_wms_refuses_is_not_posted_again_at_each_look(
    day: Day, follow: Follow, n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    wms.fault("error", method="POST", route=COMPLETE, status=400)
    day.at(10, lambda: jel.terminate((7, 0)))
    follow(INTERVAL - 1)
    posted = [request.time for request in wms.requests_to("POST", COMPLETE)]
    assert len(posted) > 2
    assert all(later - before >= n.settings.error_wait for before, later in pairwise(posted))


def test_news_that_comes_while_the_queue_is_asked_about_another_cluster_is_reported_at_once(
    day: Day,
    follow: Follow,
    start: Start,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, other = start(7), start(8)
    ask = schedd.live_clusters

    def answer(cluster_ids: Collection[int]) -> dict[int, str]:
        jel.execute((8, 0))
        return ask(cluster_ids)

    def end() -> None:
        schedd.known[7].alive = False
        jel.terminate((7, 0))

    monkeypatch.setattr(schedd, "live_clusters", answer)
    day.at(10, end)
    follow(10 + 2 * SOON)
    assert wms.taskforce(over)["phase"] == "condor-complete"
    assert wms.taskforce(other)["compound_statuses"] == {"RUNNING": {"null": 1}}


def test_ends_that_the_history_corrects_complete_the_taskforce_at_once(
    day: Day, follow: Follow, start: Start, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    """Job 0 has two ends in the log, of which the second is forged. The pairs of statuses stay the same."""
    uuid = start(7, 3)
    schedd.history = [EndedJob(7, proc, proc == 2, int(day.begin)) for proc in range(3)]

    def end() -> None:
        schedd.known[7].alive = False
        for proc in (0, 1):
            jel.terminate((7, proc))
        for proc in (0, 2):
            jel.abort((7, proc))

    day.at(10, end)
    follow(10 + 2 * SOON)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 1}}
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_cluster_that_was_withdrawn_does_not_speak_because_it_alone_has_news(
    day: Day, follow: Follow, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce(taskforce={"n_workers": 1})
    jel.submit(7, uuid, 1)
    jel.submit(8, uuid, 1)
    day.at(10, lambda: jel.execute((8, 0)))
    day.at(20, lambda: jel.hold((7, 0), 1, 0, "via condor_hold"))
    follow(60)
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}


def test_completions_that_one_turn_does_not_finish_go_on_at_once(
    day: Day,
    follow: Follow,
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The WMS takes four seconds for each. News of others is not held up by all of them."""

    def slowly(uuid: str, ended_at: int) -> None:
        clock.now += 4
        confirm(uuid, ended_at)

    confirm = n.wms.confirm_complete
    monkeypatch.setattr(n.wms, "confirm_complete", slowly)
    other = add_running(wms, 7)
    jel.submit(7, other, 1)
    uuids = [add_running(wms, 100 + number) for number in range(30)]
    for number, uuid in enumerate(uuids):
        jel.submit(100 + number, uuid, 1)
    for number in range(30):
        day.at(10, partial(jel.terminate, (100 + number, 0)))
    day.at(11.5, lambda: jel.execute((7, 0)))
    reported = follow(INTERVAL)
    assert {wms.taskforce(uuid)["phase"] for uuid in uuids} == {"condor-complete"}
    assert min(then for then in reported if then > 12) < 40
    assert wms.taskforce(other)["compound_statuses"] == {"RUNNING": {"null": 1}}


def test_a_shorter_interval_is_the_pause_between_rounds_as_before(
    day: Day, environment: dict[str, str], n: Neighbours, uuid: str
) -> None:
    settings = Settings.from_environment(environment | {"TMS_WATCHER_INTERVAL": "1"})
    day.wait_ends_at = 10
    site = replace(n, stop=day, settings=settings)
    run_forever(build(site), site)
    assert day.waited == [1.0] * 10
