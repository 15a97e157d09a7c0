"""The documentation keeps up with the code."""

from __future__ import annotations

from pathlib import Path

from common.condor.protection import BINDING, configuration
from common.metrics import NEIGHBOURS, OUTCOMES, MetricsFile
from common.neighbours import Neighbours
from common.settings import Settings
from starter.starter import Starter
from stopper.stopper import Stopper
from watcher.totals import STATUSES
from watcher.watcher import Watcher

TOP = Path(__file__).parents[1]


def test_every_setting_is_documented() -> None:
    documented = (TOP / "docs" / "settings.md").read_text()
    missing = [
        f.alias for f in Settings.model_fields.values() if f.alias and f"`{f.alias}`" not in documented
    ]
    assert missing == []


def test_the_defaults_in_the_documentation_are_those_of_the_code() -> None:
    rows = [line.split("|") for line in (TOP / "docs" / "settings.md").read_text().splitlines()]
    documented = {row[1].strip().strip("`"): row[2].strip() for row in rows if len(row) > 4}
    for field in Settings.model_fields.values():
        if isinstance(field.default, int) and not isinstance(field.default, bool):
            assert documented[str(field.alias)] == str(field.default)


def test_every_metric_is_documented_with_all_its_values(n: Neighbours, tmp_path: Path) -> None:
    lines = (TOP / "docs" / "operations.md").read_text().splitlines()
    rows = {line.split("`")[1].partition("{")[0]: line for line in lines if line.startswith("| `")}
    file = MetricsFile("starter", tmp_path, tmp_path)
    for number in (*file._common(), *Starter(n).numbers(), *Stopper(n).numbers(), *Watcher(n).numbers()):
        assert number.name in rows
    for name, values in (("passes_total", OUTCOMES), ("neighbour_up", NEIGHBOURS), ("jobs", STATUSES)):
        assert [value for value in values if f"`{value}`" not in rows[name]] == []


def test_every_document_that_is_linked_exists() -> None:
    for document in [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")]:
        for part in document.read_text().split("](")[1:]:
            target = part.split(")")[0]
            if "://" not in target:
                assert (document.parent / target.split("#")[0]).exists(), f"{document.name}: {target}"


def test_every_path_in_the_guide_for_contributors_exists() -> None:
    text = (TOP / "CONTRIBUTING.md").read_text()
    packages = ("common/", "starter/", "stopper/", "watcher/", "tests/", "deploy/", "docs/")
    named = [word for word in text.split("`")[1::2] if word.startswith(packages)]
    assert named
    for name in named:
        assert list(TOP.glob(name.rstrip("/"))), name


def test_the_line_for_the_access_points_administrator_is_the_one_that_the_service_prints() -> None:
    assert f"    {configuration(BINDING)}\n" in (TOP / "docs" / "security.md").read_text()
