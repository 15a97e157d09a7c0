"""Each alert fires for its cause and for nothing else; alerts and dashboard use metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from common.metrics import MetricsFile, Number
from common.neighbours import Neighbours
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.deploy.conftest import TOP
from watcher.watcher import Watcher

ALERTS = TOP / "deploy/alerts.yml"
DASHBOARD = TOP / "deploy/dashboard.json"
RULES = YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]
PROMTOOL = Path(sys.executable).with_name("promtool")

# Four hours, a sample a minute, in which nothing is wrong although something happens.
WELL = {
    'pass_finished_timestamp_seconds{worker="starter"}': "0+60x240",
    'started_timestamp_seconds{worker="starter"}': "0x100 6000x140",
    'outage_started_timestamp_seconds{worker="starter",neighbour="WMS"}': "_x100 6000x25 stale",
    'passes_total{worker="starter",outcome="ok"}': "0+1x240",
    'passes_total{worker="starter",outcome="unexpected error"}': "0x240",
    'taskforces_refused_total{worker="starter"}': "0+0.1x240",
    'set_aside_seconds{worker="starter"}': "0x120 60+60x30 0x90",
    'unprotected_job_attributes{worker="starter"}': "0x120 3x30 0x90",
    'jobs{worker="watcher",status="IDLE"}': "20x240",
    'jobs{worker="watcher",status="HELD"}': "15x240",
    'jobs{worker="watcher",status="COMPLETED"}': "0x240",
    'site_starts{worker="watcher",site="CHTC"}': "30x240",
    'site_starts_bad{worker="watcher",site="CHTC"}': "15x240",
    'site_starts{worker="watcher",site="Few"}': "15x240",
    'site_starts_bad{worker="watcher",site="Few"}': "15x240",
    'site_starts{worker="watcher",site="other"}': "40x240",
    'site_starts_bad{worker="watcher",site="other"}': "40x240",
    'site_starts{worker="watcher",site="Eats"}': "30x240",
    'site_starts_bad{worker="watcher",site="Eats"}': "10x60 30x30 10x150",
    'log_lag_bytes{worker="watcher"}': "1e6x100 5e8x20 0x120",
    'scratch_free_bytes{worker="watcher"}': "9e9x240",
    'scratch_least_free_bytes{worker="watcher"}': "1e9x240",
}
# What makes each alert fire, and the last and the first minute of silence and of alarm.
WRONG = {
    "EwmsTmsMissing": (dict.fromkeys(WELL, "_x240"), 14, 15),
    "EwmsTmsSilent": ({'pass_finished_timestamp_seconds{worker="starter"}': "0x240"}, 35, 36),
    "EwmsTmsRestarts": ({'started_timestamp_seconds{worker="starter"}': "0x60 3600+60x180"}, 67, 68),
    "EwmsTmsOutage": (
        {'outage_started_timestamp_seconds{worker="starter",neighbour="WMS"}': "_x60 3600x180"},
        95,
        96,
    ),
    "EwmsTmsBug": ({'passes_total{worker="starter",outcome="unexpected error"}': "0x60 1x180"}, 60, 61),
    "EwmsTmsRefusesTaskforces": ({'taskforces_refused_total{worker="starter"}': "0x60 0+1x180"}, 70, 75),
    "EwmsTmsSetAside": ({'set_aside_seconds{worker="starter"}': "0+60x240"}, 65, 66),
    "EwmsTmsHeld": ({'jobs{worker="watcher",status="HELD"}': "0x60 21x180"}, 120, 121),
    "EwmsTmsBadSite": (
        {'site_starts_bad{worker="watcher",site="Eats"}': "10x60 20x180"},
        120,
        121,
    ),
    "EwmsTmsBehind": ({'log_lag_bytes{worker="watcher"}': "0x60 5e8x180"}, 90, 91),
    "EwmsTmsSpace": ({'scratch_free_bytes{worker="watcher"}': "9e9x60 1.9e9x180"}, 75, 76),
    "EwmsTmsUnprotectedJobs": ({'unprotected_job_attributes{worker="starter"}': "0x60 1x180"}, 120, 121),
}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True)


def firing(alert: str, minute: int, count: int) -> dict[str, Any]:
    """promtool's expectation that `alert` fires for so many."""
    samples = [{"labels": "{}", "value": count}] if count else []
    query = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    return {"expr": query, "eval_time": f"{minute}m", "exp_samples": samples}


def fires_as_expected(series: dict[str, str], expected: list[dict[str, Any]], tmp_path: Path) -> str:
    """promtool's complaints about the alerts of these series; empty if all are as expected."""
    given = [{"series": f"ewms_tms_{name}", "values": values} for name, values in (WELL | series).items()]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": expected}
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_rules_are_what_prometheus_accepts() -> None:
    done = promtool("check", "rules", ALERTS)
    assert done.returncode == 0, done.stderr


def test_every_alert_shows_its_severity_and_where_to_read_on() -> None:
    headings = re.findall(r"^#+ (.*)$", (TOP / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {heading.lower() for heading in headings}
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert "for" in rule
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        document, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (document, anchor) == ("docs/operations.md", rule["alert"].lower())
        assert anchor in anchors, "a heading of the runbook"


def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    expected = [firing(rule["alert"], minute, 0) for rule in RULES for minute in range(5, 240, 5)]
    assert fires_as_expected({}, expected, tmp_path) == ""


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_an_alert_fires_for_its_cause_and_not_before(alert: str, tmp_path: Path) -> None:
    series, silent, loud = WRONG[alert]
    expected = [firing(alert, silent, 0), firing(alert, loud, 1)]
    assert fires_as_expected(series, expected, tmp_path) == ""


def test_where_every_site_is_bad_none_is_to_blame(tmp_path: Path) -> None:
    bad = {f'site_starts_bad{{worker="watcher",site="{site}"}}': "25x240" for site in ("Eats", "CHTC")}
    assert fires_as_expected(bad, [firing("EwmsTmsBadSite", 200, 0)], tmp_path) == ""


def test_the_tests_of_alerts_can_fail(tmp_path: Path) -> None:
    series, silent, _ = WRONG["EwmsTmsHeld"]
    assert "got: nil" in fires_as_expected(series, [firing("EwmsTmsHeld", silent, 1)], tmp_path)


@pytest.fixture
def metrics(n: Neighbours, tmp_path: Path) -> dict[str, Number]:
    """Every metric that the workers have, by its whole name."""
    own = (*Starter(n).numbers(), *Stopper(n).numbers(), *Watcher(n).numbers())
    numbers = (*MetricsFile("starter", tmp_path, tmp_path)._common(), *own)
    return {f"ewms_tms_{number.name}": number for number in numbers} | {
        # The starter knows it once it has asked the schedd.
        "ewms_tms_unprotected_job_attributes": Number("unprotected_job_attributes", "", 0)
    }


def queries() -> Iterator[str]:
    """Every query of alerts and dashboard."""
    yield from (rule["expr"] for rule in RULES)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_there_are(metrics: dict[str, Number]) -> None:
    asked = " ".join(queries())
    names = set(re.findall(r"ewms_tms_\w+", asked))
    assert names - metrics.keys() == set()
    for name, matchers in re.findall(r"(ewms_tms_\w+)\{([^}]*)\}", asked):
        labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert labels <= {"worker", "scratch", metrics[name].label}, name


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": re.sub(r"\$__\w+", "5m", query)}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stderr


def test_the_dashboard_shows_every_metric_that_an_operator_needs(metrics: dict[str, Number]) -> None:
    asked = " ".join(queries())
    assert sorted(name for name in metrics if name not in asked) == []


@pytest.fixture
def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def test_the_panels_do_not_overlap(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place: dict[str, int] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
