"""The page about a day has what the logs have, needs nothing but itself, and is a page and nothing else."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from tests.watcher.views.commands import HOSTILE, run_alone
from watcher.__main__ import main

VOID = {"meta"}


class Reader(HTMLParser):
    """The texts of a page by their element's class, its elements and attributes; every one is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[dict[str, str]] = []  # one for each row of a table: column -> text
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self._open: list[str] = []
        self._column = ""
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.cells.append({})
        self._column = dict(attrs).get("data-name") or "" if tag == "td" else ""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._column:
            self.cells[-1][self._column] = data


def page(capsys: pytest.CaptureFixture[str], *arguments: object) -> Reader:
    assert main(["--report", *map(str, arguments)]) == 0
    return Reader(capsys.readouterr().out)


def test_the_page_shows_how_each_taskforce_of_the_day_ended(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 3)
    jel.submit(9, "TF-9", 1)
    for proc, status in enumerate(("Done", "FatalError")):
        jel.execute((8, proc))
        jel.chirp((8, proc), "Status", f'"{status}"')
    jel.chirp((8, 1), "Error", '"RuntimeError: in dir_1"')
    for proc in range(2):
        jel.terminate((8, proc))
    jel.abort((8, 2))
    jel.hold((9, 0), 3, 0, "my policy")
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(10, "TF-10", 1)
    seen = page(capsys, "2026-11-22")
    rows = {row["taskforce"]: row for row in seen.cells if "taskforce" in row}
    assert set(rows) == {"TF-8", "TF-9"}
    counts = {name: rows["TF-8"][name] for name in ("jobs", "done", "failed", "removed", "held", "left")}
    assert counts == {"jobs": "3", "done": "1", "failed": "1", "removed": "1", "held": "0", "left": "0"}
    assert "silent" not in rows["TF-8"]
    assert rows["TF-8"]["took"] == "11 s"
    assert {"id", "words", "time", "n", "n zero"} <= seen.attributes["class"]
    assert rows["TF-8"]["state"] == "ended; 1 failed: RuntimeError: in dir_1"
    assert (rows["TF-9"]["took"], rows["TF-9"]["state"]) == ("goes on", "! 1 on hold: Job policy")
    (site,) = (row for row in seen.cells if "site" in row)
    assert (site["site"], site["starts"], site["came to nothing"]) == ("(the log names none)", "2", "50%")
    assert {"times": "1", "holds": "Job policy (my policy)"} in seen.cells
    assert {"jobs": "1", "errors": "RuntimeError: in dir_1"} in seen.cells
    assert "all 2 clusters: 4 jobs" in seen.texts


def test_jobs_that_ended_silently_get_a_column_of_their_own(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for cluster in (8, 9):
        jel.submit(cluster, f"TF-{cluster}", 2)
    jel.terminate((8, 0))
    rows = {row["taskforce"]: row for row in page(capsys, "2026-11-22").cells if "taskforce" in row}
    assert {name: row["silent"] for name, row in rows.items()} == {"TF-8": "1", "TF-9": "0"}
    assert rows["TF-9"]["state"].startswith("! no job has started")


def test_a_long_error_is_cut_in_the_row_and_whole_below(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    jel.chirp((8, 0), "Error", f'"{"x" * 500}"')
    jel.chirp((8, 0), "Status", '"FatalError"')
    jel.terminate((8, 0))
    seen = page(capsys, "2026-11-22")
    (row,) = (row for row in seen.cells if "taskforce" in row)
    assert row["state"] == f"ended; 1 failed: {'x' * 183}..."
    assert {"jobs": "1", "errors": "x" * 500} in seen.cells


def test_a_day_whose_log_is_compressed_has_a_page_and_a_day_without_one_an_error(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    jel.path.with_name("2026-11-22.tms.jel.gz").write_bytes(gzip.compress(jel.path.read_bytes()))
    jel.path.unlink()
    assert [row["taskforce"] for row in page(capsys, "2026-11-22").cells if "taskforce" in row] == ["TF-8"]
    assert main(["--report", "2026-11-21"]) == 1
    assert capsys.readouterr().err == "watcher: no log of 2026-11-21: there are logs of 2026-11-22\n"


@pytest.mark.parametrize("view", ["--report", "--status --day"])
@pytest.mark.parametrize("day", ["today", "yesterday"])
def test_days_may_be_named(scratch: Path, capsys: pytest.CaptureFixture[str], view: str, day: str) -> None:
    assert main([*view.split(), day]) == 1
    assert re.fullmatch(r"watcher: no log of \d{4}-\d\d-\d\d: there are no logs\n", capsys.readouterr().err)


def test_where_the_wms_answers_the_phase_is_on_the_page(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, add_running(wms, 8), 1)
    (row,) = (row for row in page(capsys, "2026-11-22").cells if "taskforce" in row)
    assert row["phase"] == "condor-submit"


def test_a_file_that_cannot_be_read_is_named_on_the_page(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    broken = jel.path.with_name("2026-11-22.tms.jel.gz")
    broken.write_bytes(gzip.compress(jel.path.read_bytes())[:-10])
    assert main(["--report", "2026-11-22"]) == 1
    seen = Reader(capsys.readouterr().out)
    assert any(text.startswith(f"Cannot be read: {broken}") for text in seen.texts)


def test_hostile_text_is_text_and_the_page_has_no_script_and_no_reference(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2)
    jel.execute((8, 0))
    jel.chirp((8, 0), "Error", f'"{HOSTILE}"')
    jel.chirp((8, 0), "Status", '"FatalError"')
    jel.terminate((8, 0))
    jel.hold((8, 1), 999, 0, HOSTILE)
    assert main(["--report", "2026-11-22"]) == 0
    content = capsys.readouterr().out
    assert content.isascii()
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", content) is None
    seen = Reader(content)
    assert seen.tags.isdisjoint({"script", "link", "iframe", "img", "object", "a", "form", "base"})
    assert not [name for name in seen.attributes if name.startswith("on") or name in ("href", "src")]
    assert not re.search(r"url\((?!#s\d\))|@import|javascript:", content)
    assert "default-src 'none'; style-src 'unsafe-inline'" in seen.attributes["content"]
    assert any("<script>alert(1)</script>" in text for text in seen.texts)


def test_nothing_of_the_service_is_needed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    result = run_alone("--report", "2026-11-22", str(jel.path))
    assert result.returncode == 0, result.stderr
    assert "TF-8" in Reader(result.stdout).texts
