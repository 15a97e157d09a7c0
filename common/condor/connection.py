"""The connection to a schedd: how a call is made, when it is repeated, and who answers.

The bindings raise one class, HTCondorException, for everything that goes wrong beyond this process; only
the message and the call distinguish the cases (measured with 25.14.1). A call may also block for ever
(submit, history): the worker's watchdog ends such a pass, see `common.worker`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import htcondor2

from common.condor.ads import read_number
from common.condor.location import Location
from common.condor.records import JobQueue
from common.errors import ScheddUnavailable

T = TypeVar("T")

_BORN, _BUSY = "JobQueueBirthdate", "RecentDaemonCoreDutyCycle"


class Connection:
    """The connection to the schedd of this name, or to the access point's own.

    A name is looked up at `collector`, or at the access point's own.
    """

    def __init__(self, name: str = "", *, collector: str = "", dry_run: bool = False) -> None:
        self._location = Location(name, collector)
        self._dry_run = dry_run
        self._located: Any = None

    def name(self) -> str:
        """The name under which the pool knows our schedd."""
        return str(self._ask(lambda _: self._location.ad())["Name"])

    def ping(self) -> str:
        """Who we are to the schedd when we submit; raises ScheddUnavailable if we may not."""
        answer = self._ask(lambda _: htcondor2.ping(self._location.ad(), "WRITE"))
        if not answer.get("AuthorizationSucceeded"):
            raise ScheddUnavailable(f"the schedd does not let {answer.get('MyRemoteUserName')} submit")
        return str(answer.get("MyRemoteUserName"))

    def queue(self) -> JobQueue:
        """The job queue that we are talking to. Raises ScheddUnavailable.

        It asks the schedd itself, because the collector may still have the ad of the one before.
        """
        ads = self._ask_itself()
        born = read_number(ads[0], _BORN) if ads else 0
        if not born:  # nothing identifies it: it might be any
            raise _silent(f"no {_BORN}" if ads else "no answer")
        return JobQueue(str(ads[0].get("Name", "")), born)

    def duty_cycle(self) -> float:
        """The part of its time, from 0 to 1, for which the schedd was busy lately. Raises ScheddUnavailable.

        Above 0.98 it is saturated (HTCondor manual, RecentDaemonCoreDutyCycle). 0: not known.
        """
        ads = self._ask_itself()
        busy = ads[0].get(_BUSY) if ads else None
        return float(busy) if isinstance(busy, int | float) else 0.0

    def makes_jobs_later(self) -> bool:
        """Whether the schedd allows late materialization, as by default. Raises ScheddUnavailable.

        With another value than true and false it does not start (measured, 23.9.6 and 25.14.1).
        """
        text = self._call_twice(lambda _: self._location.setting_text("SCHEDD_ALLOW_LATE_MATERIALIZE"))
        return text.strip().lower() != "false"

    def _ask_itself(self) -> list[Any]:
        """The schedd's own ad, from itself. Raises ScheddUnavailable."""
        location = self._ask(lambda _: self._location.ad())
        return self._call_twice(lambda _: _schedd_ads(location), _silent)

    def _ask(self, call: Callable[[Any], T]) -> T:
        """The schedd's answer to a call that may be repeated."""
        try:
            return self._call(call)
        except ScheddUnavailable as error:
            if "session" not in str(error):
                raise
        return self._call(call)  # the schedd was restarted, and does not know our session any more

    def _call(self, call: Callable[[Any], T], on_error: Callable[[str], Exception] = ScheddUnavailable) -> T:
        try:
            if self._located is None:
                self._located = htcondor2.Schedd(self._location.ad())
            return call(self._located)
        except htcondor2.HTCondorException as error:
            self._located = None
            self._location.ask_again()  # its address changes when the master restarts
            raise on_error(" ".join(str(error).split())) from error

    def _call_twice(
        self, call: Callable[[Any], T], on_error: Callable[[str], Exception] = ScheddUnavailable
    ) -> T:
        """The answer of a daemon that is asked directly.

        After a restart, a session with the one before fails, and the error does not name it (measured).
        """
        try:
            return self._call(call)
        except ScheddUnavailable:
            return self._call(call, on_error)


def _schedd_ads(location: Any) -> list[Any]:
    """The ad of the schedd at this location; it answers the same query as a collector."""
    fields = ["Name", _BORN, _BUSY]
    ads: list[Any] = htcondor2.Collector(location).query(htcondor2.AdType.Schedd, projection=fields)
    return ads


def _silent(message: str) -> ScheddUnavailable:
    return ScheddUnavailable(f"the schedd does not identify its queue: {message}")
