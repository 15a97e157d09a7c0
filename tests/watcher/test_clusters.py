"""Which clusters are looked at in a pass, and which of a taskforce's clusters speaks for it."""

from __future__ import annotations

import pytest

from common.neighbours import Neighbours
from tests.fakes import FakeClock
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.clusters import Clusters, only
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.followed_logs import FollowedLogs
from watcher.records import Records


@pytest.fixture
def clusters(n: Neighbours, clock: FakeClock) -> Clusters:
    return Clusters(n, FollowedLogs(), Tally(), Records(n.wms, clock.monotonic))


def read(clusters: Clusters) -> list[int]:
    """The numbers of the clusters with news."""
    news = clusters.read()
    assert news is not None
    return [cluster.cluster_id for _, cluster in news]


def cluster_of(clusters: Clusters, number: int) -> ClusterTally:
    (found,) = [cluster for _, cluster in clusters.all() if cluster.cluster_id == number]
    return found


def test_a_cluster_of_which_a_log_has_news_is_awake_changed_now_and_not_gone(
    clusters: Clusters, jel: JelWriter, clock: FakeClock
) -> None:
    for number in (7, 8):
        jel.submit(number, f"TF-{number}", 1)
    assert read(clusters) == [7, 8]
    assert read(clusters) == []
    for _, cluster in clusters.all():
        cluster.gone, cluster.rests = True, True
    before = clock.monotonic()
    clock.now += 100
    jel.execute((8, 0))
    assert read(clusters) == [8]
    states = [(one.gone, one.rests, one.changed_at - before) for _, one in clusters.all()]
    assert states == [(True, True, 0), (False, False, 100)]
    assert [cluster.cluster_id for _, cluster in clusters.awake()] == [8]


def test_clusters_of_logs_and_rebuilt_ones_are_followed_and_owned_if_they_have_a_name(
    clusters: Clusters, jel: JelWriter
) -> None:
    jel.submit(7, "TF-7", 1)
    jel.submit(8, "", 1)
    clusters.rebuilt.begin(9, "TF-9")
    assert read(clusters) == [7, 8, 9]
    assert [one.cluster_id for _, one in clusters.all()] == [7, 8, 9]
    assert [one.cluster_id for one in clusters.owned()] == [7, 9]


def test_until_the_ends_of_the_logs_are_reached_there_are_no_news(
    clusters: Clusters, n: Neighbours, jel: JelWriter
) -> None:
    jel.submit(7, "TF-7", 1)
    n.stop.set()
    assert clusters.read() is None


def test_the_sum_of_the_statuses_is_the_number_of_workers_as_soon_as_the_record_is_known(
    clusters: Clusters, wms: StandInWms, jel: JelWriter
) -> None:
    jel.submit(7, add_running(wms, 7, n_workers=5), 2)
    read(clusters)
    one = cluster_of(clusters, 7)
    assert clusters.statuses(one) == {"IDLE": {"null": 2}}
    clusters.records.refresh([one])
    assert clusters.statuses(one) == {"IDLE": {"null": 5}}


def test_what_the_wms_has_as_complete_is_settled_and_the_rest_is_left(
    clusters: Clusters, wms: StandInWms, jel: JelWriter
) -> None:
    done = [wms.add_taskforce(taskforce={"phase": "condor-complete", "cluster_id": n}) for n in (7, 9)]
    jel.submit(7, done[0], 1)
    jel.submit(8, add_running(wms, 8), 1)
    jel.submit(9, done[1], 1)
    read(clusters)
    clusters.records.refresh(clusters.owned())
    left = clusters.settle_completed(list(clusters.all()))
    assert [cluster.cluster_id for _, cluster in left] == [8]
    assert [cluster.cluster_id for _, cluster in clusters.all()] == [8]


def test_a_cluster_rests_when_it_is_confirmed_acknowledged_and_goes_on(
    clusters: Clusters, wms: StandInWms, jel: JelWriter
) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    jel.submit(8, wms.add_taskforce(), 1)
    jel.submit(9, "TF-unknown", 1)
    read(clusters)
    clusters.records.refresh(clusters.owned())
    everything = list(clusters.all())

    def resting() -> list[int]:
        clusters.let_rest(everything)
        return [cluster.cluster_id for _, cluster in everything if cluster.rests]

    assert resting() == []
    for _, cluster in everything:
        cluster.dirty = False
    assert resting() == [7]
    cluster_of(clusters, 7).gone = True
    assert resting() == []
    cluster_of(clusters, 7).gone = False
    jel.terminate((7, 0))
    read(clusters)
    cluster_of(clusters, 7).dirty = False
    assert resting() == []


def test_of_several_clusters_of_an_unconfirmed_taskforce_a_live_and_then_a_later_one_speaks(
    clusters: Clusters, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce()
    for number in (9, 11, 10, 12):
        jel.submit(number, uuid, 1)
    jel.submit(8, "TF-unknown", 1)
    jel.submit(7, other := add_running(wms, 7), 1)
    jel.abort((12, 0))
    read(clusters)
    clusters.records.refresh(clusters.owned())
    active = list(clusters.all())

    def speaker() -> int:
        return clusters.speakers(active)[uuid].cluster_id

    assert set(clusters.speakers(active)) == {uuid, other}
    assert [cluster.cluster_id for _, cluster in only(clusters.speakers(active), active)] == [11, 7]
    assert speaker() == 11
    cluster_of(clusters, 11).gone = True
    assert speaker() == 10
    for number in (9, 10):
        jel.abort((number, 0))
    read(clusters)
    assert speaker() == 12


def test_clusters_with_news_bring_the_others_of_their_unconfirmed_taskforces(
    clusters: Clusters, wms: StandInWms, jel: JelWriter
) -> None:
    pending, running, other = wms.add_taskforce(), add_running(wms, 3), wms.add_taskforce()
    for number, uuid in ((1, pending), (2, pending), (3, running), (4, other), (5, "TF-unknown")):
        jel.submit(number, uuid, 1)
    read(clusters)
    clusters.records.refresh(clusters.owned())

    def with_rivals(*numbers: int) -> list[int]:
        active = [one for one in clusters.all() if one[1].cluster_id in numbers]
        return [cluster.cluster_id for _, cluster in clusters.with_rivals(active)]

    assert with_rivals(2) == [2, 1]
    assert with_rivals(1, 2) == [1, 2]
    assert with_rivals(3) == [3]
    assert with_rivals(5) == [5]
    assert with_rivals(3, 4, 1) == [1, 3, 4, 2]
