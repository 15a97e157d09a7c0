"""Where the schedd is: asked now and then, remembered while the collector does not answer."""

from __future__ import annotations

from typing import Any

import htcondor2
import pytest

from common.condor.location import LOCATED_FOR, Location
from common.condor.schedd import Schedd
from common.errors import ScheddUnavailable


def test_while_the_collector_is_away_the_schedd_is_asked_where_it_was_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    located: list[Any] = [{"Name": "ap1"}]

    def locate(_: Location) -> Any:
        if not located:
            raise htcondor2.HTCondorException("Failed communication with collector.")
        return located[0]

    monkeypatch.setattr(Location, "_look_up", locate)
    monkeypatch.setattr(htcondor2, "Schedd", lambda ad: ad)
    schedd = Schedd("ap1")
    assert schedd.name() == "ap1"
    located.clear()
    schedd._location.ask_again()
    assert schedd.name() == "ap1"
    with pytest.raises(ScheddUnavailable, match="collector"):
        Schedd("ap1").name()


def test_a_schedd_is_located_again_after_a_while_and_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["ap1", "ap2", "ap3"])
    monkeypatch.setattr(Location, "_look_up", lambda _: {"Name": next(names)})
    monkeypatch.setattr(htcondor2, "Schedd", lambda ad: ad)
    schedd = Schedd()
    assert [schedd.name(), schedd.name()] == ["ap1", "ap1"]
    schedd._location._ask_at -= LOCATED_FOR
    assert schedd.name() == "ap2"

    def fails(_: Any) -> None:
        raise htcondor2.HTCondorException("Failed to connect to schedd")

    with pytest.raises(ScheddUnavailable):
        schedd._call(fails)
    assert schedd.name() == "ap3"
