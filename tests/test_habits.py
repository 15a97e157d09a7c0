"""The habits of the tests themselves."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
MODULES = {path: ast.parse(path.read_text()) for path in sorted((TOP / "tests").rglob("*.py"))}

FEW = 4  # how often tests of one module may begin in the same way before that belongs into a fixture
LEAST_WORDS = 3  # of a name that describes a behaviour


def every_test() -> Iterator[tuple[Path, ast.FunctionDef]]:
    """Every test function, with the file that it is in."""
    for path, module in MODULES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield path, node


def test_no_test_module_imports_another() -> None:
    """Code that two of them need is a fixture in a conftest.py, or a module of its own."""
    found = [
        f"{path.relative_to(TOP)}: {node.module}"
        for path, module in MODULES.items()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        and any(part.startswith("test_") for part in (node.module or "").split("."))
    ]
    assert found == []


def test_every_test_names_the_behaviour_that_it_checks() -> None:
    """By its name, or by one sentence."""
    found = [
        f"{path.relative_to(TOP)}: {test.name}"
        for path, test in every_test()
        if len(test.name.split("_")) <= LEAST_WORDS and not ast.get_docstring(test)
    ]
    assert found == []


def test_what_many_tests_of_a_module_begin_with_is_a_fixture() -> None:
    beginnings = Counter(
        (path.relative_to(TOP), "\n".join(map(ast.unparse, test.body[:2])))
        for path, test in every_test()
        if len(test.body) > 2
    )
    found = [f"{path}, {count} times:\n{lines}" for (path, lines), count in beginnings.items() if count > FEW]
    assert found == []
