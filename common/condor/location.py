"""The location of a schedd, with a collector or without, and the questions that it answers there."""

from __future__ import annotations

import time
from typing import Any

import htcondor2

from common.errors import ScheddUnavailable

LOCATED_FOR = 300.0  # seconds, after which the collector is asked again where the schedd is


def full_hostname() -> str:
    """The AP's FULL_HOSTNAME as HTCondor sees it: what the WMS calls a schedd without a name of its own."""
    return str(htcondor2.param["FULL_HOSTNAME"])


class Location:
    """Where the named schedd is, or the access point's own.

    A name is looked up at `collector`, or at the access point's own.
    """

    def __init__(self, name: str = "", collector: str = "") -> None:
        self._name = name
        self._collector = collector
        self._ad: Any = None  # where the schedd is, by the collector's last answer
        self._ask_at = 0.0  # when to ask it again; on the monotonic clock

    def ad(self) -> Any:
        """Where the schedd is; while the collector does not answer, where it was last.

        Raises ScheddUnavailable or HTCondorException if neither is known. A collector is not needed where
        the access point's SCHEDD_ADDRESS_FILE is visible: the library reads it first (measured, 25.14.1).
        """
        now = time.monotonic()
        if self._ad is None or now >= self._ask_at:
            try:
                self._ad = self._look_up()
            except (htcondor2.HTCondorException, ScheddUnavailable):
                if self._ad is None:
                    raise
            self._ask_at = now + LOCATED_FOR
        return self._ad

    def ask_again(self) -> None:
        """Ask the collector the next time, because the schedd may be elsewhere now. Safe to repeat."""
        self._ask_at = 0.0

    def setting(self, name: str) -> int | None:
        """The schedd's own setting of this name; None if it cannot be asked, or that is no number."""
        try:
            return int(self.setting_text(name))
        except (htcondor2.HTCondorException, ScheddUnavailable, KeyError, ValueError):
            return None

    def setting_text(self, name: str) -> str:
        """The schedd's own setting of this name, as its configuration has it, or HTCondor's default.

        Raises ScheddUnavailable, HTCondorException, and KeyError for a name that HTCondor does not know.
        """
        return str(htcondor2.RemoteParam(self.ad())[name])

    def _look_up(self) -> Any:
        collector = htcondor2.Collector(self._collector) if self._collector else htcondor2.Collector()
        if not self._name:
            return collector.locate(htcondor2.DaemonType.Schedd)
        ad = collector.locate(htcondor2.DaemonType.Schedd, self._name)
        if ad is None:  # Schedd(None) would silently be the local one
            raise ScheddUnavailable(f"the pool knows no schedd named {self._name}")
        return ad
