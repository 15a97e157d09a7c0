"""One request from its arrival to its reply, with the faults, breakpoints and records on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from threading import Event

from tests.sandbox.wms.breakpoints import Breakpoints
from tests.sandbox.wms.faults import Faults, in_part, spoiled_answer
from tests.sandbox.wms.journal import Journal
from tests.sandbox.wms.wire import Drop, Incoming, Json, Reply, error_reply

Act = Callable[[Incoming], Reply]


class Exchange:
    """Carries requests through: record, faults, breakpoint, act, breakpoint, reply; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.faults = Faults()
        self.breakpoints = Breakpoints()
        self.journal = Journal(clock)
        self._late: list[tuple[Incoming, Act]] = []  # without a reply, and not acted on yet
        self._closing = Event()

    def close(self) -> None:
        """Let go of every request that a fault or a breakpoint holds."""
        self._closing.set()
        self.breakpoints.drop_all()

    def act_late(self, fits: Callable[[Incoming], bool]) -> None:
        """Act on the requests that `late` faults kept, in their order; those that do not fit are dropped."""
        late, self._late = self._late, []
        for incoming, act in late:
            if fits(incoming):
                act(incoming)

    def carry(self, incoming: Incoming, act: Act) -> Reply | Drop:
        """What to send for this request; the record is complete before the reply can be read by anyone."""
        number = self.journal.open(incoming)
        outcome = self._outcome(number, incoming, act)
        if isinstance(outcome, Reply):
            self.journal.note(number, status=outcome.status)
        return outcome

    def _outcome(self, number: int, incoming: Incoming, act: Act) -> Reply | Drop:
        if incoming.unread:
            return error_reply(400, incoming.unread, close=True)
        faults = self.faults.take(incoming)
        kinds = {fault.kind for fault in faults}
        for fault in faults:
            if fault.kind == "slow" and self._closing.wait(fault.seconds):
                return Drop()
            if spoiled := spoiled_answer(fault, incoming):
                return spoiled
        if "late" in kinds:
            self._late.append((incoming, act))
            return Drop()
        if self.breakpoints.hold(incoming, "before"):
            return Drop()
        reply = in_part(incoming, act) if "part" in kinds else act(incoming)
        self.journal.note(number, acted=reply.status < 300)
        dropped = self.breakpoints.hold(incoming, "after")
        if dropped or "lose-reply" in kinds:
            return Drop()
        if "cut" in kinds:
            return replace(reply, cut=True)
        self.journal.note(number, offered=_offered(incoming, reply))
        return reply


def _offered(incoming: Incoming, reply: Reply) -> str | None:
    """The taskforce that the reply offers to be started or stopped, "" if none; None for another question."""
    if reply.status != 200 or not re.fullmatch(r"/v1/tms/pending-\w+/taskforces", incoming.path):
        return None
    answer = json.loads(reply.body)
    offer: Json = answer.get("taskforce", answer)
    return str(offer.get("taskforce_uuid", ""))
