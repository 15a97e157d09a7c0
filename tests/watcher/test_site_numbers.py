"""Metrics by site: the last day's starts, under few and safe labels, and the same after a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.metrics import MetricsFile
from common.neighbours import Neighbours
from tests.fakes import FakeClock
from tests.jel import HOST, JelWriter
from tests.metrics import read_metrics, values
from watcher.counting.places import NO_SITE, OTHERS
from watcher.counting.recent_sites import HOURS, MOST_SITES_AN_HOUR, RecentSites
from watcher.counting.sites import DEFAULTS, SiteCounts, Sites
from watcher.reading.event_log import EventLog
from watcher.site_numbers import MOST_LABELS, OTHER, UNNAMED, label_of, labelled, site_numbers
from watcher.watcher import Watcher

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW.timestamp())


def run(jel: JelWriter, proc: int, site: str, ago: timedelta, pilot: str = "FatalError") -> None:
    """A job that started so long ago at this site, and ended half an hour later."""
    jel.now = NOW - ago
    jel.event(1, (7, proc), f"Job executing on host: {HOST}", f'\tGLIDEIN_Site = "{site}"')
    jel.now += timedelta(minutes=30)
    jel.chirp((7, proc), "Status", f'"{pilot}"')
    jel.terminate((7, proc))


def counted(jel: JelWriter, clock: FakeClock) -> RecentSites:
    sites = RecentSites(UTC, DEFAULTS, clock)
    for events in EventLog(jel.path).read():
        sites.count(events)
    return sites


def starts(sites: Sites) -> object:
    return values(site_numbers([sites]))["site_starts"]


def test_starts_of_the_last_day_count_by_site_and_outcome(jel: JelWriter, clock: FakeClock) -> None:
    for proc in range(3):
        run(jel, proc, "A", timedelta(hours=proc + 1))
    run(jel, 8, "A", timedelta(hours=2), pilot="Done")
    run(jel, 9, "B", timedelta(hours=30))
    numbers = values(site_numbers([counted(jel, clock)]))
    assert numbers == {
        "site_starts": {"A": 4},
        "site_starts_done": {"A": 1},
        "site_starts_bad": {"A": 3},
        "site_wasted_hours": {"A": pytest.approx(1.5, rel=0.01)},
    }


def test_what_is_older_than_a_day_leaves_as_time_goes_by(jel: JelWriter, clock: FakeClock) -> None:
    run(jel, 0, "A", timedelta(hours=1))
    sites = counted(jel, clock)
    clock.now += (HOURS - 2) * 3600
    assert starts(sites) == {"A": 1}
    clock.now += 3 * 3600
    assert starts(sites) == {}


def test_dates_of_the_future_do_not_count(jel: JelWriter, clock: FakeClock) -> None:
    run(jel, 0, "A", -timedelta(days=400))
    assert starts(counted(jel, clock)) == {}


def test_a_machine_that_invents_a_name_at_each_start_takes_no_memory(
    jel: JelWriter, clock: FakeClock
) -> None:
    for proc in range(MOST_SITES_AN_HOUR + 50):
        run(jel, proc, f"site-{proc}", timedelta(hours=2))
    sites = counted(jel, clock)
    assert len(dict(sites.items())) <= MOST_SITES_AN_HOUR + 1
    shown = starts(sites)
    assert isinstance(shown, dict)
    assert len(shown) == MOST_LABELS + 1
    assert sum(shown.values()) == MOST_SITES_AN_HOUR + 50


def test_the_worst_have_labels_and_the_others_one_together() -> None:
    worst_first = [(f"S{rank}", SiteCounts(starts=100 - rank, failed=100 - rank)) for rank in range(30)]
    labels = labelled([*worst_first, (NO_SITE, SiteCounts(starts=1)), (OTHERS, SiteCounts(starts=2))])
    assert list(labels) == [*(f"S{rank}" for rank in range(MOST_LABELS)), OTHER, UNNAMED]
    assert labels[OTHER].starts == sum(100 - rank for rank in range(20, 30)) + 2


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("SU-ITS", "SU-ITS"),
        ("San Diego Supercomputer Center", "San Diego Supercomputer Center"),
        ('a"b\\c\n{}', "a?b?c???"),
        ("Universität", "Universit?t"),
        ("x" * 100, "x" * 64),
        ("  ", UNNAMED),
        (NO_SITE, UNNAMED),
        (OTHERS, OTHER),
        ("other", OTHER),
    ],
)
def test_a_name_becomes_a_safe_label(name: str, label: str) -> None:
    assert label_of(name) == label


@given(st.text(max_size=200))
def test_every_label_is_of_a_small_alphabet(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_ .:@/+?-]{1,64}", label_of(name))


def test_names_that_become_one_label_are_one_sample(tmp_path: Path, jel: JelWriter, clock: FakeClock) -> None:
    """node_exporter refuses a file that has a sample twice."""
    for proc, site in enumerate(("a<b", "a>b", "a|b", "other")):
        run(jel, proc, site, timedelta(hours=1))
    file = MetricsFile("watcher", tmp_path, tmp_path)
    file.write(site_numbers([counted(jel, clock)]))
    samples = read_metrics(tmp_path)
    assert samples["ewms_tms_site_starts{site=a?b,worker=watcher}"] == 3
    assert samples["ewms_tms_site_starts{site=other,worker=watcher}"] == 1


@pytest.fixture
def measured(n: Neighbours, tmp_path: Path) -> Iterator[Neighbours]:
    settings = n.settings.model_copy(update={"metrics_dir": tmp_path})
    yield replace(n, settings=settings)


def test_the_watcher_counts_by_site_only_where_there_are_metrics(
    n: Neighbours, measured: Neighbours, jel: JelWriter
) -> None:
    jel.submit(7, "TF-7", 1)
    run(jel, 0, "A", timedelta(hours=1))
    without, with_metrics = Watcher(n), Watcher(measured)
    for watcher in (without, with_metrics):
        watcher.logs.read([jel.path], lambda: True)
    assert without.logs.sites() == []
    assert values(without.numbers())["site_starts"] == {}
    assert values(with_metrics.numbers())["site_starts"] == {"A": 1}


def test_a_log_that_is_read_again_counts_once(measured: Neighbours, jel: JelWriter) -> None:
    run(jel, 0, "A", timedelta(hours=1))
    run(jel, 1, "A", timedelta(hours=1))
    watcher = Watcher(measured)
    watcher.logs.read([jel.path], lambda: True)
    content = jel.path.read_bytes()
    jel.path.unlink()
    jel.path.write_bytes(content.replace(b'"A"', b'"B"') + content[: len(content) // 2])
    watcher.logs.read([jel.path], lambda: True)
    shown = values(watcher.numbers())["site_starts"]
    assert isinstance(shown, dict)
    assert shown["B"] == 2
    assert sum(shown.values()) == 3
