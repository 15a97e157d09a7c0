"""One request from its arrival to its reply, with the faults, breakpoints and records on the way."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from tests.sandbox.wms.breakpoints import Breakpoints
from tests.sandbox.wms.faults import Faults, spoiled_answer
from tests.sandbox.wms.journal import Journal
from tests.sandbox.wms.wire import Drop, Incoming, Reply, error_reply


class Exchange:
    """Carries requests through: record, faults, breakpoint, act, breakpoint, reply; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.faults = Faults()
        self.breakpoints = Breakpoints()
        self.journal = Journal(clock)
        self._closing = Event()

    def close(self) -> None:
        """Let go of every request that a fault or a breakpoint holds."""
        self._closing.set()
        self.breakpoints.drop_all()

    def carry(self, incoming: Incoming, act: Callable[[Incoming], Reply]) -> Reply | Drop:
        """What to send for this request; the record is complete before the reply can be read by anyone."""
        number = self.journal.open(incoming)
        outcome = self._outcome(number, incoming, act)
        if isinstance(outcome, Reply):
            self.journal.note(number, status=outcome.status)
        return outcome

    def _outcome(self, number: int, incoming: Incoming, act: Callable[[Incoming], Reply]) -> Reply | Drop:
        if incoming.unread:
            return error_reply(400, incoming.unread, close=True)
        faults = self.faults.take(incoming)
        for fault in faults:
            if fault.kind == "slow" and self._closing.wait(fault.seconds):
                return Drop()
            if spoiled := spoiled_answer(fault, incoming):
                return spoiled
        if self.breakpoints.hold(incoming, "before"):
            return Drop()
        reply = act(incoming)
        self.journal.note(number, acted=reply.status < 300)
        dropped = self.breakpoints.hold(incoming, "after")
        return Drop() if dropped or any(fault.kind == "lose-reply" for fault in faults) else reply
