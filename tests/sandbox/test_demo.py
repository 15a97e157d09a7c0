"""What the demo shows is what the WMS holds, whatever characters are in it."""

from __future__ import annotations

import io

from rich.console import Console

from tests.sandbox.demo import summary, table
from tests.sandbox.scenarios import Scenario, View
from tests.sandbox.wms import StandInWms


def test_an_error_that_looks_like_markup_is_only_text() -> None:
    with StandInWms() as wms:
        uuid = wms.add_taskforce()
        wms.taskforce(uuid)
        shown = Scenario("odd", View("condor-submit", {}, {"[/red] [bold]a[/] [link=x]": 1}), uuid)
        console = Console(file=io.StringIO(), width=200)
        console.print(table(wms, [shown], final=True))
        assert isinstance(console.file, io.StringIO)
        assert "[/red] [bold]a[/] [link=x]" in console.file.getvalue()


def shown(*scenarios: Scenario, wms: StandInWms, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(wms, list(scenarios), final=True))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_difference_from_what_was_expected_is_shown_beside_it() -> None:
    with StandInWms() as wms:
        uuid = wms.add_taskforce()
        as_expected = Scenario("as it should be", View("pre-mq-activation", {}), uuid)
        as_expected.expected = as_expected.view(wms)
        other = Scenario("other", View("condor-complete", {"COMPLETED": {"Done": 3}}), uuid)
        lines = shown(as_expected, other, wms=wms)
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if line.strip().startswith(("as it", "other"))] == [
        "\u2713",
        "\u2717",
    ]
    assert any(line.split() == ["expected", "condor-complete", "3", "COMPLETED", "(Done)"] for line in lines)


def test_a_closing_line_has_what_there_was_to_see() -> None:
    complete, held = View("condor-complete", {}), View("condor-submit", {"HELD: Job policy": {"null": 1}})
    assert summary([complete, complete]) == "All 2 as expected: 2 complete."
    assert summary([complete, held]).endswith(
        "1 complete, 1 not, because a job is on hold until a person releases it."
    )
