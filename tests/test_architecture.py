"""The architecture, as import rules: who may use whom, and the one room that knows each outside library.

A room is a package or a module in one. Each package has floors, from the roof to the ground: a room uses
what is on the floors below it and nothing of its own floor, and each room stands on one of them. A new
room fails here until it has its place.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "common", "starter", "stopper", "watcher")

FLOORS = {
    "": [
        "benchmarks",
        "starter stopper watcher",
        "common",
    ],
    "common": [
        "service cli",
        "doctor",
        "set_aside",
        "worker same_queue last_word consent",
        "neighbours",
        "scratch",
        "wms",
        "settings joblog metrics",
        "condor",
        "logs memory outage parent privacy release_rules sites sizes stop watchdog",
        "errors exit_codes",
    ],
    "common.condor": [
        "schedd submit_commands",
        "questions",
        "changed_ads connection held_jobs",
        "ads description expressions location login protection submit_error",
        "records submit_text",  # so neither needs the bindings
    ],
    "common.scratch": [
        "read_only",
        "directory",
        "heartbeat intent locks",
        "durable names ownership",
    ],
    "starter": [
        "__main__",
        "show decide",
        "starter",
        "own_cluster submit_description",
        "input_files known_taskforces watchable submission",
        "attempts confirmation existing_cluster failed_start gate pilot_environment protection real_file"
        " resources run_time late load",
    ],
    "stopper": [
        "__main__",
        "stopper list_orphans",
        "held_jobs",
        "orphans lingering changed_jobs",
    ],
    "watcher": [
        "__main__",
        "watcher views",  # so the service uses no view
        "completing",
        "reporting",
        "clusters outcomes milestones",
        "missing_ends totals job_numbers site_numbers queue_tokens pace crowd",
        "completion records followed_logs rebuilt_counts",
        "counting",
        "reading files report refusals troubles durations",  # so `files` knows nothing of what is in a log
    ],
}

# Outside library -> the rooms that know it.
LIBRARIES = {
    "classad2": "common.condor",
    "htcondor2": "common.condor benchmarks",  # whose own reader is the measure
    "numpy": "watcher benchmarks",
    "oauthlib": "common.wms",
    "prometheus_client": "common.metrics",
    "pydantic": "common.settings common.scratch common.wms",
    "requests": "common.wms",
    "rich": "watcher.views benchmarks",
    "supervisor": "common.service",
    "tenacity": "common.wms",
    "tests": "benchmarks",  # which use their pool and their stand-in WMS
    "urllib3": "common.wms",
}


def source() -> dict[str, str]:
    """Every module of ours, by its name."""
    files = sorted(file for package in OURS for file in (ROOT / package).rglob("*.py"))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file.read_text()
        for file in files
    }


def imports(modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Who imports what, as (module, module): `from common.wms import client` is of common.wms.client."""
    for module, text in modules.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from ((module, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, f"{module} has a relative import"
                for name in node.names:
                    inner = f"{node.module}.{name.name}"
                    yield module, inner if inner in modules else node.module


def is_in(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def floor_of(package: str, room: str) -> int:
    """The floor of a room in its package, 0 being the roof; -1 if it stands on none."""
    floors = FLOORS[package]
    return next((number for number, rooms in enumerate(floors) if room in rooms.split()), -1)


def where_they_part(user: str, used: str) -> tuple[str, str, str]:
    """The innermost package that holds both, and the room of each in it: common, wms, errors."""
    one, other = user.split("."), used.split(".")
    depth = 0
    while depth < min(len(one), len(other)) - 1 and one[depth] == other[depth]:
        depth += 1
    return ".".join(one[:depth]), one[depth], other[depth]


def broken_rules(modules: Mapping[str, str]) -> list[str]:
    """What is wrong with the imports of `modules`, one line each."""
    problems = [
        f"{module} stands on no floor: give it one in FLOORS"
        for module in modules
        for package, _, room in [module.rpartition(".")]
        if package in FLOORS and module not in OURS and floor_of(package, room) < 0
    ]
    for user, used in imports(modules):
        library = used.partition(".")[0]
        if library in OURS:
            package, room, below = where_they_part(user, used)
            if package not in FLOORS or room == below:
                continue
            if not floor_of(package, room) < floor_of(package, below):
                problems.append(f"{user} imports {used}, which is not below it")
        elif library not in sys.stdlib_module_names:
            rooms = LIBRARIES.get(library, "").split()
            if not any(is_in(user, room) for room in rooms):
                problems.append(f"{user} imports {library}, which only {' and '.join(rooms) or 'nobody'} may")
    return problems


def test_imports_run_down_and_each_library_is_known_in_one_room() -> None:
    assert broken_rules(source()) == []


@pytest.mark.parametrize(
    ("user", "planted", "problem"),
    [
        ("common.sizes", "from watcher import report", "not below"),
        ("common.errors", "from common.logs import one_line", "not below"),
        ("common.stop", "import common.sizes", "not below"),
        ("stopper.orphans", "from starter.gate import size", "not below"),
        ("watcher.watcher", "from watcher.views.tally import main", "not below"),
        ("watcher.files.survey", "def look():\n    from watcher.reading import event_log", "not below"),
        ("stopper.stopper", "import htcondor2", "only common.condor and benchmarks may"),
        ("common.worker", "import requests.adapters", "only common.wms may"),
        ("watcher.report", "from prometheus_client import Metric", "only common.metrics may"),
        ("common.logs", "import structlog", "only nobody may"),
        ("common.odds_and_ends", "", "stands on no floor"),
    ],
)
def test_a_planted_import_fails(user: str, planted: str, problem: str) -> None:
    modules = source()
    modules[user] = f"{modules.get(user, '')}\n{planted}\n"
    assert [problem in line and user in line for line in broken_rules(modules)] == [True]


# Who may catch every error: around a pass, and around one item of it.
CATCH_ALL = {"common.worker", "common.set_aside"}
WORKERS = ("common", "starter", "stopper", "watcher")


def careless(modules: Mapping[str, str]) -> Iterator[str]:
    """Where a module of the service catches every error without the right to, or sleeps past a stop."""
    for module, text in modules.items():
        if not module.startswith(WORKERS):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler) and module not in CATCH_ALL:
                if node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"):
                    yield f"{module}:{node.lineno} catches every error: errors are decisions (common.errors)"
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep"):
                yield f"{module}:{node.lineno} sleeps: only `common.stop.Stop` waits, and ends with a stop"


def test_errors_are_decisions_and_only_a_stop_can_be_waited_for() -> None:
    assert list(careless(source())) == []


@pytest.mark.parametrize(
    "planted",
    [
        "try:\n    pass\nexcept Exception:\n    pass",
        "try:\n    pass\nexcept:\n    pass",
        "import time\ntime.sleep(1)",
    ],
)
def test_a_planted_carelessness_fails(planted: str) -> None:
    modules = source()
    modules["stopper.stopper"] += f"\n{planted}\n"
    assert len(list(careless(modules))) == 1


def test_every_rule_is_about_modules_that_exist() -> None:
    modules = source()
    used = [library for _, name in imports(modules) if (library := name.partition(".")[0]) in LIBRARIES]
    assert set(used) == set(LIBRARIES)


def test_each_folder_is_described_in_one_sentence() -> None:
    """`head -1 */*/__init__.py` is the map of the house."""
    for package in OURS:
        for file in (ROOT / package).rglob("__init__.py"):
            (line,) = file.read_text().splitlines()
            assert line.startswith('"""')
            assert line.endswith('."""'), file


def test_the_health_check_which_runs_every_minute_loads_neither_htcondor_nor_an_http_client(
    environment: dict[str, str],
) -> None:
    program = """if True:
        import sys
        from common.service.entry import main
        main(["health"])
        print(*sys.modules)
    """
    environment |= {"TMS_REQUIREMENTS": "Memory > 1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "common.service.health" in loaded, done.stderr
    assert loaded & {"htcondor2", "classad2", "requests", "urllib3", "supervisor", "numpy"} == set()
