"""Every error of the service; each is a decision.

    TmsError
    ├── ConfigError          the settings are wrong: name every problem at once, exit 78
    ├── AlreadyRunning       another instance works on this scratch directory: name its pid, exit 1
    ├── Unavailable          a neighbour does not answer: wait and try again; never reported as a failure
    │   ├── WmsUnavailable
    │   │   ├── WmsReplyLost     the request may have been acted on: look before repeating it
    │   │   └── RefusedOnTheWay  a 4xx in words that are not the WMS's: a proxy's, or a wrong address
    │   ├── ScheddUnavailable    also: do not submit
    │   │   └── OtherQueue           a schedd without our clusters answers: conclude nothing from it
    │   └── ScratchUnavailable   the scratch directory cannot be written (full, read-only)
    │       └── DamagedRecord        a record of ours cannot be read: find its content again
    ├── WmsRejected          the WMS itself refuses this request: report, go on with the next item
    ├── ItemWaits            this item cannot go on, for a reason of its own: set it aside, go on
    │   └── QueueFull            the queue has no room for all of its jobs now
    ├── SubmitRejected       the taskforce's own fault: report why to the WMS, go on with the next one
    │   ├── TooManyJobs          more jobs than the queue takes even when it is empty
    │   └── NoLateMaterialization    this schedd makes no jobs later: submit them all at once
    └── RemoveRejected       this cluster will not become removable: report why to the WMS, go on

Whatever is not in this tree is a bug, so `except Exception` stands only around a pass (`common.worker`) and
around one item of it (`common.set_aside`).
"""

from __future__ import annotations


class TmsError(Exception):
    """Base of all errors that the service raises on purpose."""


class ConfigError(TmsError):
    """Settings that cannot be used; `problems` holds one readable line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The settings cannot be used:", *(f"  - {line}" for line in problems)]))
        self.problems = problems


class AlreadyRunning(TmsError):
    """Another instance of the same worker holds the scratch directory."""


class Unavailable(TmsError):
    """A neighbour does not answer now and may later; `neighbour` names it for the log."""

    neighbour = "neighbour"


class WmsUnavailable(Unavailable):
    """The WMS or its token service does not answer, or answers that it cannot serve now."""

    neighbour = "WMS"

    def __init__(self, message: str, status: int | None = None, *, own: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.own = own  # whether the WMS itself answered so, in its own form


class WmsReplyLost(WmsUnavailable):
    """No usable reply to a request that the WMS may have acted on."""


class RefusedOnTheWay(WmsUnavailable):
    """A 4xx whose body is not the WMS's own: it proves nothing about the taskforce.

    A proxy refuses what is too large for it, and answers 404 while the WMS behind it is away; a wrong address
    answers 404 to everything. Nothing was acted on.
    """


class ScheddUnavailable(Unavailable):
    """The schedd (or the way to it) does not answer, or takes no jobs from us now."""

    neighbour = "schedd"


class OtherQueue(ScheddUnavailable):
    """The schedd that answers is not the one whose job queue has our clusters."""

    neighbour = "schedd with our clusters"


class ScratchUnavailable(Unavailable):
    """The scratch directory cannot be read or written now."""

    neighbour = "scratch directory"


class DamagedRecord(ScratchUnavailable):
    """A record of ours in the scratch directory cannot be understood any more."""


class WmsRejected(TmsError):
    """The WMS itself understood the request and refuses it; repeating it does not help."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ItemWaits(TmsError):
    """This item cannot go on now; the reason concerns no other item, and is not the taskforce's fault."""


class QueueFull(ItemWaits):
    """The job queue has no room for all jobs of this taskforce now; it has as soon as others have ended.

    `late_helps`: the schedd takes the cluster now if its jobs are made later, and makes them as room is.
    """

    def __init__(self, message: str, *, late_helps: bool = False) -> None:
        super().__init__(message)
        self.late_helps = late_helps


class SubmitRejected(TmsError):
    """This taskforce cannot be submitted, whatever the state of our neighbours."""


class TooManyJobs(SubmitRejected):
    """The taskforce has more jobs than the queue takes at once, even when it is empty."""


class NoLateMaterialization(SubmitRejected):
    """The schedd does not make jobs later than at the submit (SCHEDD_ALLOW_LATE_MATERIALIZE)."""


class RemoveRejected(TmsError):
    """This cluster cannot be removed by us, whatever the state of our neighbours."""
