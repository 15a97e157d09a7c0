"""`python -m tests.mutants`: what became of the mutants of `make mutants`, module by module."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutmut.stats import status_by_exit_code

WORK = Path("mutants")  # where mutmut keeps its copy of the code, with a record beside each module
BY_TYPES = {"caught by type check"}
BY_TESTS = {"killed", "timeout", "segfault", "suspicious"}
LEFT = ("survived", "no tests")
ROW = "{:36} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8}"


def results() -> Iterator[tuple[str, dict[str, str]]]:
    """Each mutated module, with mutmut's word for what became of each of its mutants."""
    for record in sorted(WORK.rglob("*.py.meta")):
        codes = json.loads(record.read_text())["exit_code_by_key"]
        found = {name: status_by_exit_code[code] for name, code in codes.items()}
        if found:
            yield str(record.relative_to(WORK)).removesuffix(".meta"), found


def row(name: str, found: Counter[str]) -> str:
    """One line of the table; the share of those killed is of those that were tried."""
    types, tests = (sum(found[status] for status in statuses) for statuses in (BY_TYPES, BY_TESTS))
    left = [found[status] for status in LEFT]
    tried = types + tests + sum(left)
    share = f"{100 * (types + tests) / tried:.0f} %" if tried else "-"
    return ROW.format(name, found.total(), types, tests, *left, share)


def main() -> int:
    """Print those that nothing killed, and the table; 1 if less than nine in ten are killed, or none."""
    of_module = dict(results())
    for name, status in sorted(pair for found in of_module.values() for pair in found.items()):
        if status in LEFT:
            print(f"{status}: {name}")
    print(ROW.format("module", "mutants", "by mypy", "by tests", *LEFT, "killed"))
    total: Counter[str] = Counter()
    for module, found in of_module.items():
        print(row(module, Counter(found.values())))
        total.update(found.values())
    print(row("all", total))
    killed = sum(total[status] for status in BY_TYPES | BY_TESTS)
    return 0 if killed and killed >= 9 * sum(total[status] for status in LEFT) else 1


if __name__ == "__main__":
    sys.exit(main())
