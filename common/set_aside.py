"""Items that cannot go on now: they are set aside with growing pauses, and the others go on.

A pass takes one item after another. If a neighbour does not serve one of them, it is asked something else:
where it does not answer that either, this is an outage, which ends the pass, and the item is not to blame.

Beside the worker's loop this is the one place that catches every exception, because a bug that one item
meets must not stop the others. It is logged with its traceback, and the pass counts as unexpected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from common.errors import (
    ItemWaits,
    OtherQueue,
    RefusedOnTheWay,
    RemoveRejected,
    ScheddUnavailable,
    ScratchUnavailable,
    SubmitRejected,
    TmsError,
    Unavailable,
    WmsRejected,
)
from common.metrics import Number
from common.neighbours import Neighbours
from common.worker import Outcome

logger = logging.getLogger(__name__)

LONGEST = 900.0  # seconds between two tries of one item


@dataclass(slots=True)
class Waiting:
    """One item that was set aside: why, since when and until when (monotonic seconds), after what pause.

    `state` is what was known about it: if that changes, because a person decided, it is due at once. `is_own`
    is whether the reason concerns this item alone, and is not a neighbour's trouble that others could meet.
    """

    why: str
    since: float
    due: float
    pause: float
    state: object
    is_own: bool


class SetAside:
    """The items of one worker that wait. They are kept in memory: after a restart each is tried again."""

    def __init__(self, monotonic: Callable[[], float], first_pause: float) -> None:
        self._monotonic = monotonic
        self._first = first_pause
        self._items: dict[str, Waiting] = {}

    def is_due(self, item: str, state: object = None) -> bool:
        """Whether to try this item now: it does not wait, or its pause is over, or its state is another."""
        waiting = self._items.get(item)
        return waiting is None or self._monotonic() >= waiting.due or waiting.state != state

    def put(
        self,
        item: str,
        why: str,
        *,
        state: object = None,
        error: BaseException | None = None,
        is_own: bool,
    ) -> None:
        """Set an item aside, again with a longer pause; logged when it begins or has another reason."""
        now, before = self._monotonic(), self._items.get(item)
        if before is None or before.why != why:
            logger.error(
                "taskforce %s is set aside: %s", item, why, exc_info=error, extra={"taskforce_uuid": item}
            )
        since, pause = (before.since, 2 * before.pause) if before else (now, self._first)
        pause = min(pause, LONGEST)
        self._items[item] = Waiting(why, since, now + pause, pause, state, is_own)

    def settle(self, item: str) -> None:
        """The item has gone on."""
        if waiting := self._items.pop(item, None):
            logger.info("taskforce %s goes on after %d s", item, self._monotonic() - waiting.since)

    def drop(self, item: str) -> None:
        """Nobody asks for the item any more."""
        self._items.pop(item, None)

    def keep(self, items: Collection[str]) -> None:
        """Drop what is none of `items` and has not been tried for long since it was due."""
        late = self._monotonic() - LONGEST
        for item in [item for item, waiting in self._items.items() if waiting.due < late]:
            if item not in items:
                self.drop(item)

    def waits_for(self, item: str) -> float:
        """For how many seconds the item has been set aside; 0 if it is not."""
        waiting = self._items.get(item)
        return self._monotonic() - waiting.since if waiting else 0.0

    def own_reason(self, item: str) -> str:
        """Why the item was set aside, if that concerns it alone; else empty."""
        waiting = self._items.get(item)
        return waiting.why if waiting and waiting.is_own else ""

    def __len__(self) -> int:
        return len(self._items)

    def oldest(self) -> tuple[str, float]:
        """What has waited longest, for a person, and for how many seconds; nothing and 0 if nothing waits."""
        if not self._items:
            return "", 0.0
        item, waiting = min(self._items.items(), key=lambda pair: pair[1].since)
        return f"taskforce {item}: {waiting.why}", self._monotonic() - waiting.since

    def numbers(self) -> tuple[Number, Number]:
        """How many items wait and how long the first of them has, for the metrics."""
        return (
            Number("set_aside", "Items that cannot go on now and are tried again.", len(self)),
            Number("set_aside_seconds", "How long the oldest item set aside has waited.", self.oldest()[1]),
        )


class Turn:
    """One pass over items: what was done, and what failed."""

    def __init__(self, site: Neighbours, aside: SetAside) -> None:
        self._site = site
        self._aside = aside
        self.done = self.failed = 0
        self._bug = ""

    def is_due(self, item: str) -> bool:
        """Whether to try this item now."""
        return self._aside.is_due(item)

    def attempt(self, item: str, act: Callable[[], bool], state: Callable[[], object] = lambda: None) -> None:
        """Do one item. `act` returns whether it did something; False: there was nothing to do.

        `state` is asked when the item is set aside. Raises SubmitRejected and RemoveRejected, which the
        caller reports to the WMS, and Unavailable where a neighbour answers nothing.
        """
        try:
            done = act()
        except (SubmitRejected, RemoveRejected):
            raise
        except Unavailable as error:
            if self._is_outage(error):
                raise
            why = f"{error.neighbour}: {error}"
            self.put(item, why, state=state(), is_own=isinstance(error, RefusedOnTheWay))
        except (WmsRejected, ItemWaits) as error:
            self.put(item, str(error), state=state())
        except Exception as error:
            self._bug = type(error).__name__
            self.put(item, f"unexpected {self._bug}: {error}", error, state())
        else:
            self.done += done
            if done:
                self._aside.settle(item)

    def put(
        self,
        item: str,
        why: str,
        error: BaseException | None = None,
        state: object = None,
        *,
        is_own: bool = True,
    ) -> None:
        """Set an item aside that failed."""
        self.failed += 1
        self._aside.put(item, why, state=state, error=error, is_own=is_own)

    def outcome(self) -> Outcome:
        """What the pass did."""
        oldest, seconds = self._aside.oldest()
        return Outcome(self.done, self.failed, self._bug, len(self._aside), oldest, seconds)

    def _is_outage(self, error: Unavailable) -> bool:
        """Whether the neighbour that did not serve this item answers nothing else either, or we stop."""
        site = self._site
        if isinstance(error, OtherQueue) or site.stop.is_set():
            return True
        try:
            if isinstance(error, ScheddUnavailable):
                site.schedd.queue()
            elif isinstance(error, ScratchUnavailable):
                site.scratch.try_to_write()
            else:
                site.wms.next_to_start()
        except TmsError:
            return True
        return False
