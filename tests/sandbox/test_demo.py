"""What the demo shows is what the WMS holds, whatever characters are in it."""

from __future__ import annotations

import io

from rich.console import Console

from tests.sandbox.demo import table
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
