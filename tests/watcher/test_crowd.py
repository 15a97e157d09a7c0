"""However many clusters jobs forge, what the watcher keeps is bounded, and every real cluster is counted."""

from __future__ import annotations

import pytest

from common.errors import OtherQueue, WmsUnavailable
from common.neighbours import Neighbours
from common.same_queue import note_queue
from tests.fakes import FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.counting import tally
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog
from watcher.watcher import Watcher

SUBMIT = b"%03d (%03d.%s.000) 2026-11-22 18:00:00 Submitted\n    EWMSTaskforceUUID=%s\n...\n"


def forge(jel: JelWriter, clusters: range, uuid: str = "TF-%d") -> None:
    """Submit events of clusters that never were, each of one job."""
    names = (uuid % number if "%" in uuid else uuid for number in clusters)
    lines = (
        SUBMIT % (0, number, b"000", name.encode()) for number, name in zip(clusters, names, strict=True)
    )
    jel.raw(b"".join(lines))


def forge_lives(jel: JelWriter, count: int) -> None:
    """Clusters of the number 7 one after the other, each of another taskforce."""
    for life in range(count):
        name = b"TF-life-%d" % life
        jel.raw(SUBMIT % (35, 7, b"-01", name) + SUBMIT % (0, 7, b"000", name))


def followed(watcher: Watcher) -> int:
    return sum(len(tally.lives()) for tally in watcher.logs.tallies())


@pytest.fixture(params=["one by one", "in batches"], autouse=True)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd of fifty, and small blocks of events."""
    monkeypatch.setattr(tally, "MOST_FOLLOWED", 50)
    monkeypatch.setattr(event_stream, "CHUNK", 1 << 13)
    if request.param == "in batches":
        monkeypatch.setattr(event_stream, "FEW", 0)


def test_forged_clusters_are_not_followed_and_real_ones_are_counted(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, caplog: pytest.LogCaptureFixture
) -> None:
    running = [add_running(wms, number) for number in (1, 2)]
    pending = wms.add_taskforce(n_workers=1)  # submitted, and not yet confirmed
    forge(jel, range(10_000, 11_000))
    for number, uuid in enumerate(running, 1):
        jel.submit(number, uuid, 1)
        jel.execute((number, 0))
    real = schedd.submit({"+EWMSTaskforceUUID": f'"{pending}"', "log": str(jel.path)}, 1)
    forge(jel, range(20_000, 20_500), running[0])  # real taskforces, and other clusters
    forge(jel, range(30_000, 30_500), pending)
    forge_lives(jel, 500)
    forge(jel, range(40_000, 41_000))

    watcher = Watcher(n)
    watcher.run_once()

    assert followed(watcher) <= 100
    for uuid in running:
        assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}
    numbers = {one.cluster_id for tally in watcher.logs.tallies() for one in tally.lives()}
    assert {1, 2, real} <= numbers
    assert "that neither the WMS nor the schedd has" in caplog.text


def test_a_cluster_in_the_queue_is_followed_though_another_wms_answers_that_does_not_know_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    """Seen from the watcher, another WMS at this address is one that has forgotten everything."""
    cluster = schedd.submit({"+EWMSTaskforceUUID": '"TF-live"', "log": str(jel.path)}, 1)
    forge(jel, range(10_000, 11_000))
    watcher = Watcher(n)
    watcher.run_once()
    numbers = {one.cluster_id for tally in watcher.logs.tallies() for one in tally.lives()}
    assert cluster in numbers
    assert followed(watcher) <= 100


def test_a_crowded_log_is_not_read_on_while_another_queue_answers(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    uuid = add_running(wms, 1)
    note_queue(n)
    forge(jel, range(10_000, 11_000))
    jel.submit(1, uuid, 1)
    schedd.born += 1
    watcher = Watcher(n)
    with pytest.raises(OtherQueue):
        watcher.run_once()
    schedd.born -= 1
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_crowded_log_is_not_read_on_until_the_wms_answers(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 1)
    forge(jel, range(10_000, 12_000))
    jel.submit(1, uuid, 1)
    watcher = Watcher(n)
    wms.down()
    with pytest.raises(WmsUnavailable):
        watcher.run_once()
    wms.up()
    [log] = watcher.logs.logs.values()
    assert len(log.tally.lives()) < 500
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_many_real_clusters_are_asked_about_seldom(
    n: Neighbours, wms: StandInWms, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time as many as twice those before: not at each of the dozens of blocks."""
    uuids = [add_running(wms, number) for number in range(1, 501)]
    for number, uuid in enumerate(uuids, 1):
        jel.submit(number, uuid, 1)
    asked: list[int] = []
    keep_only = Tally.keep_only

    def count(self: Tally, wanted: set[ClusterTally]) -> int:
        asked.append(len(wanted))
        return keep_only(self, wanted)

    monkeypatch.setattr(Tally, "keep_only", count)
    watcher = Watcher(n)
    watcher.run_once()
    assert followed(watcher) == 500
    assert 2 <= len(asked) <= 5
    assert all(wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}} for uuid in uuids)


def test_where_nobody_is_asked_the_oldest_clusters_go(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MOST_UNASKED", 200)
    forge(jel, range(1, 5_000))
    forge_lives(jel, 1_000)
    jel.submit(6_000, "TF-last", 1)
    counts = Tally()
    for events in EventLog(jel.path).read():
        counts.count(events)
    assert len(counts.lives()) <= 200
    assert counts.clusters[6_000].compound_statuses() == {"IDLE": {"null": 1}}


def test_settled_clusters_are_bounded_too(jel: JelWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.counting.event_tally.MOST_SETTLED", 10)
    forge(jel, range(1, 30))
    counts = Tally()
    for events in EventLog(jel.path).read():
        counts.count(events)
    for cluster in counts.lives():
        counts.settle(cluster)
    assert list(counts.settled) == list(range(20, 30))
