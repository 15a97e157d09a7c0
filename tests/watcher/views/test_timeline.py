"""The picture of a log's jobs over time shows what the tally counts, and is a picture and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from tests.jel import START, JelWriter, read_events
from tests.watcher.reading.any_log import logs
from tests.watcher.views.commands import HOSTILE, run_alone, tallied
from watcher.__main__ import main
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog
from watcher.views.svg import HEIGHT, LEFT, LOOKS, RIGHT, WIDTH
from watcher.views.timeline.axis import MOST_TICKS, ticks
from watcher.views.timeline.bins import BINS, SERIES, Bins
from watcher.views.timeline.command import MOST_CLUSTERS

SAMPLES = sorted((Path(__file__).parents[2] / "job_event_logs").iterdir())
NAMES = list(SERIES)
SVG = "{http://www.w3.org/2000/svg}"
EDGE = re.compile(r"([MHV])(-?[\d.]+)(?: (-?[\d.]+))?")


def drawn(capsys: pytest.CaptureFixture[str], *arguments: object) -> ET.Element:
    assert main(["--timeline", *map(str, arguments)]) == 0
    return ET.fromstring(capsys.readouterr().out)


def texts(picture: ET.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def panels(picture: ET.Element) -> dict[str, ET.Element]:
    """The panels of the picture by their headings, up to the number of jobs."""
    groups = picture.findall(f"{SVG}g")
    return {str(group.findtext(f"{SVG}text")).partition(":")[0]: group for group in groups}


def heights(panel: ET.Element, bins: int) -> dict[str, list[float]]:
    """How high each area is in each bin, by the name of its status, as one sees it, in parts of the plot."""
    step = (WIDTH - LEFT - RIGHT) / bins
    found = {}
    for area in panel.findall(f"{SVG}path"):
        if name := area.findtext(f"{SVG}title"):
            above, below = edges(area.attrib["d"], bins, step)
            found[name.partition(":")[0]] = [
                (low - high) / HEIGHT for high, low in zip(above, below, strict=True)
            ]
    return found


def edges(path: str, bins: int, step: float) -> tuple[list[float], list[float]]:
    """Where the upper and the lower edge of an area is in each bin."""
    above, below = [0.0] * bins, [0.0] * bins
    x = y = 0.0
    for kind, first, second in EDGE.findall(path):
        if kind == "M":
            x, y = float(first), float(second)
        elif kind == "V":
            y = float(first)
        else:
            begin, end = sorted((round(x / step), round(float(first) / step)))
            edge = above if float(first) > x else below
            edge[begin:end] = [y] * (end - begin)
            x = float(first)
    return above, below


def at_the_end(panel: ET.Element) -> dict[str, int]:
    """The counts that the panel gives in numbers, by status."""
    numbers = [text.text or "" for text in panel.findall(f"{SVG}text")]
    labels = [number.split() for number in numbers if number.split()[-1] in NAMES]
    return {name: int(count.replace(",", "")) for count, name in labels}


def of_the_tally(row: dict[str, Any]) -> dict[str, int]:
    """What the tally counts in each state that the picture shows."""
    counts: Counter[str] = Counter()
    for status, pilots in row["compound_statuses"].items():
        for pilot, number in pilots.items():
            known = pilot if pilot in ("Done", "FatalError") else "SILENT"
            counts[known if status == "COMPLETED" else status.partition(":")[0]] += number
    return dict(counts)


def test_the_areas_are_the_jobs_of_each_status(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten jobs: one second is one bin."""
    jel.submit(8, "TF-8", 10)
    for proc in range(8):
        jel.execute((8, proc))
    jel.hold((8, 1), 34, 102, "memory")
    for proc in (2, 3):
        jel.terminate((8, proc))
    jel.abort((8, 9))
    jel.event(10, (8, 4), "Job was suspended.")
    ((heading, panel),) = panels(drawn(capsys, jel.path)).items()
    assert heading == "cluster 8 of taskforce TF-8"
    bins = 23
    seen = heights(panel, bins)
    jobs = [round(10 * sum(area[at] for area in seen.values())) for at in range(bins)]
    assert jobs == [*range(1, 11), *[10] * 13]
    last = {name: round(10 * area[-1]) for name, area in seen.items() if round(10 * area[-1])}
    assert last == {"IDLE": 1, "RUNNING": 4, "HELD": 1, "SILENT": 2, "REMOVED": 1, "SUSPENDED": 1}
    assert at_the_end(panel) == last
    assert [round(10 * height) for height in seen["RUNNING"]] == [
        *[0] * 10, *range(1, 9), 7, 6, 5, 5, 4
    ]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_counts_at_the_end_are_those_of_the_tally(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = panels(drawn(capsys, sample))
    expected = [of_the_tally(row) for row in tallied(capsys, sample)["clusters"] if row["n_jobs"]]
    if len(expected) > 1:
        total = seen.pop(f"all {len(expected)} clusters")
        assert at_the_end(total) == dict(sum(map(Counter, expected), Counter()))
    shown = [at_the_end(panel) for panel in seen.values()]
    assert len(shown) == len(expected) <= MOST_CLUSTERS
    assert shown
    for counts in shown:
        expected.remove(counts)


@given(content=logs())
def test_the_bins_go_with_the_tally(tmp_path: Path, content: bytes) -> None:
    """No job is lost or counted twice at any time, whatever the events and their dates are."""
    path = tmp_path / "log"
    path.write_bytes(content)
    events, tally = read_events(EventLog(path)), Tally()
    tally.count(events)
    start = int(START.timestamp())
    bins = Bins({number: number for number in tally.clusters}, start, start + 100, UTC)
    bins.count(events)
    for number, cluster in tally.clusters.items():
        counts = bins.counts(number)
        assert counts.min() >= 0
        jobs = counts.sum(axis=1).tolist()
        assert jobs == sorted(jobs)
        at_end = dict(zip(NAMES, counts[-1].tolist(), strict=True))
        row = {"compound_statuses": cluster.compound_statuses()}
        assert {name: count for name, count in at_end.items() if count} == of_the_tally(row)


def test_a_clock_that_is_set_back_makes_no_jobs(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 2)
    jel.now += timedelta(seconds=10)
    jel.execute((8, 0))
    jel.now -= timedelta(seconds=10)
    jel.hold((8, 0), 1, 0, "by hand")
    jel.now += timedelta(seconds=20)
    jel.terminate((8, 1))
    (panel,) = panels(drawn(capsys, jel.path)).values()
    for area in heights(panel, 24).values():
        assert min(area) >= 0
    assert at_the_end(panel) == {"HELD": 1, "SILENT": 1}


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "Asia/Tokyo"])
@pytest.mark.parametrize("date", [b"0001-01-01 00:00:00", b"9999-12-31 23:59:59", b"2026-99-99 00:00:00"])
def test_damaged_dates_neither_stop_nor_stretch_the_picture(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], date: bytes, zone: str
) -> None:
    jel.submit(8, "TF-8", 2)
    jel.raw(b"001 (008.000.000) %b Job executing on host: <192.0.2.2>\n...\n" % date)
    jel.terminate((8, 1))
    for more in (b"", b"005 (008.000.000) %b Job terminated.\n...\n" % date):
        jel.raw(more)
        picture = drawn(capsys, "--tz", zone, jel.path)
        assert f"2026-11-22 18:00:01 to 2026-11-22 18:00:03, {zone}; one step is 0:00:01" in texts(picture)
    assert [at_the_end(panel) for panel in panels(picture).values()] == [{"SILENT": 2}]


def test_of_many_clusters_the_largest_are_drawn_and_the_others_together(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(MOST_CLUSTERS + 3):
        jel.submit(number + 1, f"TF-{number + 1}", number + 1)
    jel.now += timedelta(hours=1)
    jel.terminate((15, 0))
    picture = drawn(capsys, jel.path)
    seen = panels(picture)
    largest = [f"cluster {n} of taskforce TF-{n}" for n in range(15, 3, -1)]
    assert list(seen) == ["all 15 clusters", *largest, "others"]
    assert at_the_end(seen["all 15 clusters"]) == {"IDLE": 119, "SILENT": 1}
    assert at_the_end(seen["others"]) == {"IDLE": 6}
    assert "others: 3 clusters: 6 jobs; --cluster shows one" in texts(picture)
    for asked in (["--cluster", 2], ["--taskforce", "TF-2"]):
        picture = drawn(capsys, *asked, "--tz", "UTC", jel.path)
        assert list(panels(picture)) == ["cluster 2 of taskforce TF-2"]
        assert "2026-11-22 18:00:02 to 2026-11-22 18:00:03, UTC; one step is 0:00:01" in texts(picture)


def test_one_cluster_too_many_has_a_panel_of_its_own(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(MOST_CLUSTERS + 1):
        jel.submit(number + 1, f"TF-{number + 1}", number + 1)
    assert len(panels(drawn(capsys, jel.path))) == MOST_CLUSTERS + 2


def test_success_and_failure_are_different_areas(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 4)
    for proc, status in enumerate(("Done", "Done", "FatalError", "Tasking")):
        jel.execute((8, proc))
        jel.chirp((8, proc), "Status", f'"{status}"')
        jel.terminate((8, proc))
    (panel,) = panels(drawn(capsys, jel.path)).values()
    assert at_the_end(panel) == {"Done": 2, "FatalError": 1, "SILENT": 1}


@pytest.mark.parametrize("second", ["TF-9", "TF-8"])
def test_a_number_that_begins_again_counts_the_jobs_of_its_new_life(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], second: str
) -> None:
    jel.submit(8, "TF-8", 2)
    for proc in range(2):
        jel.terminate((8, proc))
    jel.submit(8, second, 3)
    (panel,) = panels(drawn(capsys, jel.path)).values()
    ended = {"SILENT": 2} if second == "TF-9" else {}
    assert at_the_end(panel) == {"IDLE": 3, **ended}


def test_beside_a_service_no_file_need_be_named(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2)
    assert list(panels(drawn(capsys))) == ["cluster 8 of taskforce TF-8"]


# -- colours --------------------------------------------------------------------------------------

# What is left of red, green and blue for those who lack one kind of cones (Machado and others, 2009,
# severity 1.0, in linear RGB), and in grey (Rec. 709).
EYES = {
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
    "tritanopia": [
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ],
    "grey": [(0.2126, 0.7152, 0.0722)] * 3,
    "all three": [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)],
}


def lightness(colour: str, eye: str) -> float:
    """CIE L*, 0 to 100, of `#rrggbb` as that eye sees it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    seen = [min(max(sum(w * c for w, c in zip(row, linear, strict=True)), 0.0), 1.0) for row in EYES[eye]]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), seen, strict=True))
    return float(116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance)


@pytest.mark.parametrize("eye", EYES)
def test_any_eye_distinguishes_the_states_by_lightness_or_by_a_pattern(eye: str) -> None:
    plain = sorted(lightness(look.colour, eye) for look in LOOKS if not look.pattern)
    assert min(b - a for a, b in pairwise(plain)) >= 12
    for look in LOOKS:
        if look.pattern:
            assert abs(lightness(look.colour, eye) - lightness(look.ink, eye)) >= 25


def test_each_state_has_a_look_and_no_two_have_the_same_pattern() -> None:
    patterns = [look.pattern for look in LOOKS if look.pattern]
    assert len(LOOKS) == len(SERIES)
    assert len(set(patterns)) == len(patterns)


def test_times_are_those_of_the_writers_zone(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 1)
    jel.now += timedelta(hours=8)
    jel.terminate((8, 0))
    labels = texts(drawn(capsys, "--tz", "America/Chicago", jel.path))
    assert labels[1] == "2026-11-22 18:00:01 to 2026-11-23 02:00:02, America/Chicago; one step is 0:02:25"
    assert [text for text in labels[2:] if text.endswith(":00")] == [
        *("11-22 20:00", "22:00", "11-23 00:00", "02:00")
    ]


def test_the_picture_stays_small(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    """Each job changes at a moment of its own, over years."""
    jel.submit(8, "TF-8", 5_000)
    for turn in (jel.execute, jel.terminate):
        for proc in range(5_000):
            jel.now += timedelta(hours=8)
            turn((8, proc))
    assert main(["--timeline", str(jel.path)]) == 0
    content = capsys.readouterr().out
    assert len(content) < 20_000
    (panel,) = panels(ET.fromstring(content)).values()
    assert at_the_end(panel) == {"SILENT": 5_000}
    assert sum(path.count("H") for path in re.findall(r' d="([^"]*)"', content)) < 10 * BINS


def test_hostile_text_is_text_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job's words are not shown; names of files are. No script, handler or reference can be in there."""
    jel = JelWriter(tmp_path / ("</title></text></svg><script>alert(1)<" + "\x1b\x07\u202e&amp;\n.jel"))
    jel.path = tmp_path / jel.path.name.replace("/", "\N{FULLWIDTH SOLIDUS}")
    jel.submit(8, '"><script>alert(1)</script>', 2)
    jel.execute((8, 0))
    jel.hold((8, 0), 999, 0, HOSTILE)
    jel.chirp((8, 1), "Error", f'"{HOSTILE}"')
    jel.chirp((8, 1), "Status", f'"{HOSTILE}"')
    jel.submit(9, "TF-9", 1)
    jel.information((9, 0), "x onload=alert(1)")
    assert main(["--timeline", str(jel.path)]) == 0
    content = capsys.readouterr().out
    assert content.isascii()
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", content) is None
    picture = ET.fromstring(content)
    allowed = {"svg", "title", "style", "rect", "text", "path", "g", "defs", "pattern"}
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == allowed
    names = {name for element in picture.iter() for name in element.attrib}
    assert names <= {
        *("viewBox", "width", "height", "role", "class", "x", "y", "d", "transform", "text-anchor"),
        *("fill", "id", "patternUnits", "stroke", "stroke-width"),
    }
    assert content.count("http") == 1  # the name of SVG itself
    assert not re.search(r"url\((?!#s\d\))|@import|javascript:", content)  # patterns of its own only
    assert "alert(1)" in str(picture.findtext(f"{SVG}title"))
    assert list(panels(picture)) == ["all 2 clusters", "cluster 8", "cluster 9 of taskforce TF-9"]


@pytest.mark.parametrize(
    ("arguments", "content", "reason"),
    [
        ([], b"# no log\n", "this is no job event log"),
        ([], b"", "nothing to draw"),
        (["--cluster", "9"], None, "nothing to draw"),
        (["--taskforce", "TF-9"], None, "nothing to draw"),
    ],
)
def test_where_there_is_nothing_to_draw_it_reports_that(
    jel: JelWriter,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    content: bytes | None,
    reason: str,
) -> None:
    jel.submit(8, "TF-8", 1)
    if content is not None:
        jel.path.write_bytes(content)
    assert main(["--timeline", *arguments, str(jel.path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err


def test_nothing_of_the_service_is_needed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    result = run_alone("--timeline", str(jel.path))
    assert result.returncode == 0, result.stderr
    assert "cluster 8 of taskforce TF-8: 1 job" in texts(ET.fromstring(result.stdout))


@pytest.mark.parametrize("zone", [None, UTC, ZoneInfo("America/Chicago"), ZoneInfo("Asia/Kathmandu")])
@pytest.mark.parametrize("length", [0, 1, 7, 59, 600, 3600, 86_000, 7 * 86400, 400 * 86400, 40 * 365 * 86400])
def test_an_axis_has_few_marks_and_they_are_in_order(zone: ZoneInfo | None, length: int) -> None:
    start = int(datetime(2026, 10, 30, 17, 59, 58, tzinfo=UTC).timestamp())
    marks = ticks(start, start + length, zone)
    places = [place for place, _ in marks]
    assert places == sorted(set(places))
    assert len(places) <= MOST_TICKS + 1
    assert all(start <= place <= start + length for place in places)


def test_marks_stay_at_round_local_times_when_the_clock_is_set_back() -> None:
    """In Chicago, 2026-11-01 has 25 hours."""
    chicago = ZoneInfo("America/Chicago")
    start = int(datetime(2026, 10, 31, 12, 30, tzinfo=chicago).timestamp())
    assert [label for _, label in ticks(start, start + 40 * 3600, chicago)] == [
        *("10-31 18:00", "11-01 00:00", "06:00", "12:00", "18:00", "11-02 00:00")
    ]
