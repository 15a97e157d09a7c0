"""The state machine: what may happen to the workers and their neighbours, as rules in any order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.model.oracle import Oracle
from tests.model.trouble import CALLS, KILLS, WRONGS, Trouble
from tests.model.world import MOST, World

ACTIONS = (
    "abort",
    "all_start",
    "all_end",
    "newest_held",
    "newest_removed",
    "all_let_go",
    "log_truncated",
    "log_deleted",
    "act_late",
    "starter",
    "stopper",
    "watcher",
)
DAMAGES = ("truncated", "deleted", "replaced", "zeros", "torn", "cut")
JOBS = ("start", "suspend", "evict", "hold", "end", "Tasking", "Done", "FatalError")
ALL_JOBS = ("all_start", "all_end", "newest_held", "newest_removed", "all_let_go")
OUTAGES = ("schedd down", "disk full", "another schedd")
WORKERS = ("starter", "stopper", "watcher")
DISK_CALLS = 24  # of a pass that starts a taskforce
ROUND = 700.0  # seconds: longer than any patience of a worker
ROUNDS = 40


def wrongs(worker: str) -> st.SearchStrategy[Trouble]:
    """A neighbour goes wrong, once or from then on, in a pass of this worker."""
    return st.one_of(
        [
            st.builds(
                Trouble,
                st.sampled_from(CALLS[worker, where]),
                st.sampled_from(WRONGS[where]),
                lasting=st.booleans(),
            )
            for where in ("wms", "schedd")
        ]
    )


def cuts(worker: str) -> st.SearchStrategy[Trouble]:
    """A pass of this worker is cut by a kill, or by what somebody else does."""
    moments = [f"{when}: {action}" for action in ACTIONS for when in ("before", "after") if action != worker]
    calls = [*CALLS[worker, "wms"], *CALLS[worker, "schedd"]]
    return st.builds(
        Trouble,
        st.sampled_from(calls),
        st.sampled_from([*KILLS, *KILLS, *KILLS, *moments]),
        st.sampled_from([1, 1, 1, 2]),
    )


NEW = st.sampled_from(
    [0, 1, 2, 3]
)  # workers of a new taskforce; 0: there is none, just before a pass of the starter
STOPPED = st.integers(-1, MOST - 1)  # which is stopped just before a pass of the stopper
MOVED = st.sampled_from(["", *ALL_JOBS])  # what jobs do just before a pass of the watcher


class Machine(RuleBasedStateMachine):
    """The rules; what they do is in World, what must hold in Oracle."""

    # Of more than two workers, HTCondor makes one after the other.
    settings: ClassVar[Mapping[str, str]] = {"TMS_LATE_MATERIALIZATION_ABOVE": "2", "TMS_MAX_IDLE": "1"}

    def __init__(self) -> None:
        super().__init__()
        self.world = World(**self.settings)
        self.oracle = Oracle(self.world)

    def teardown(self) -> None:
        """Let all become quiet, and see that it is right."""
        try:
            self.quiet()
            self.settle(ended=False)
            self.settle(ended=True)
        finally:
            self.world.close()

    # -- users and the WMS ----------------------------------------------------------------------------

    @initialize()
    def first(self) -> None:
        self.world.add(2)

    @rule(n=st.integers(1, 4), launch=st.booleans())
    def add(self, n: int, launch: bool) -> None:
        self.world.add(n, launch=launch)

    @rule(which=st.integers(0, MOST - 1))
    def stop_or_launch(self, which: int) -> None:
        self.world.stop_or_launch(which)

    @precondition(lambda self: self.world.late)
    @rule()
    def act_late(self) -> None:
        self.world.act_late()

    # -- workers --------------------------------------------------------------------------------------

    @rule(n=NEW, trouble=wrongs("starter"))
    def starter_fails(self, n: int, trouble: Trouble) -> None:
        self.starter(n, trouble)

    @rule(n=NEW, trouble=cuts("starter"))
    def starter_is_cut(self, n: int, trouble: Trouble) -> None:
        self.starter(n, trouble)

    def starter(self, n: int, trouble: Trouble) -> None:
        """A pass of the starter, most often with a new taskforce."""
        if n:
            self.world.add(n)
        self.world.run("starter", trouble)

    @rule(which=STOPPED, trouble=wrongs("stopper"))
    def stopper_fails(self, which: int, trouble: Trouble) -> None:
        self.stopper(which, trouble)

    @rule(which=STOPPED, trouble=cuts("stopper"))
    def stopper_is_cut(self, which: int, trouble: Trouble) -> None:
        self.stopper(which, trouble)

    def stopper(self, which: int, trouble: Trouble) -> None:
        """A pass of the stopper, most often with a taskforce that is stopped just before."""
        if which >= 0:
            self.world.stop_or_launch(which)
        self.world.run("stopper", trouble)

    @rule(moved=MOVED, trouble=wrongs("watcher"))
    def watcher_fails(self, moved: str, trouble: Trouble) -> None:
        self.watcher(moved, trouble)

    @rule(moved=MOVED, trouble=cuts("watcher"))
    def watcher_is_cut(self, moved: str, trouble: Trouble) -> None:
        self.watcher(moved, trouble)

    @rule(moved=MOVED, trouble=st.none() | wrongs("watcher") | cuts("watcher"))
    def watcher_catches_up(self, moved: str, trouble: Trouble | None) -> None:
        if moved:
            self.world.do(moved)
        self.world.run("watcher", trouble, between=True)

    def watcher(self, moved: str, trouble: Trouble) -> None:
        """A pass of the watcher, most often with jobs that move just before."""
        if moved:
            self.world.do(moved)
        self.world.run("watcher", trouble)

    @rule(
        worker=st.sampled_from(WORKERS),
        what=st.sampled_from([*KILLS, *WRONGS["disk"]]),
        nth=st.integers(1, DISK_CALLS),
    )
    def disk_fails(self, worker: str, what: str, nth: int) -> None:
        self.world.run(worker, Trouble("disk", what, nth))

    @rule(worker=st.sampled_from(WORKERS))
    def works(self, worker: str) -> None:
        self.world.run(worker)

    @rule(which=st.sampled_from(WORKERS))
    def restart(self, which: str) -> None:
        self.world.restart(which)

    @rule(seconds=st.sampled_from([60.0, ROUND, ROUND, 4 * 3600.0]))
    def time_passes(self, seconds: float) -> None:
        """With a pass of each worker before and after."""
        self.world.round()
        self.world.wait(seconds)
        self.world.round()

    # -- jobs -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.jobs())
    @rule(which=st.integers(0, 8), what=st.sampled_from(JOBS))
    def job(self, which: int, what: str) -> None:
        jobs = self.world.jobs()
        self.world.job(*jobs[which % len(jobs)], what)

    @precondition(lambda self: self.world.jobs())
    @rule(what=st.sampled_from(ALL_JOBS))
    def jobs(self, what: str) -> None:
        self.world.do(what)

    # -- the machine ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.logs())
    @rule(how=st.sampled_from(DAMAGES))
    def damage(self, how: str) -> None:
        self.world.damage(self.world.logs()[-1], how)

    @precondition(lambda self: self.world.has_older_copy())
    @rule()
    def older_copy(self) -> None:
        """The newest log is put back as it was; what the watcher has counted is not taken back."""
        self.world.run("watcher")
        right = self.oracle.right_ones()
        self.world.put_older_copy()
        self.world.run("watcher")
        self.oracle.check_not_taken_back(right)

    @precondition(lambda self: self.world.logs())
    @rule(how=st.sampled_from(["starts", "ends", "removal"]))
    def forge(self, how: str) -> None:
        self.world.forge(how)

    @rule()
    def disown(self) -> None:
        self.world.disown()

    @rule(by=st.sampled_from([-3600.0, 3600.0, -86400.0, 86400.0]))
    def set_clock(self, by: float) -> None:
        self.world.set_clock(by)

    @rule(which=st.sampled_from(OUTAGES))
    def outage_begins_or_ends(self, which: str) -> None:
        world = self.world
        if which == "schedd down":
            world.schedd.down = not world.schedd.down
        elif which == "disk full":
            world.disk_full = world.schedd.mute = not world.disk_full
        elif (world.directory / ".tms/queue.json").exists():
            world.schedd.elsewhere = not world.schedd.elsewhere

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.oracle.check()

    def quiet(self) -> None:
        """Nothing fails any more."""
        world = self.world
        world.schedd.down = world.schedd.mute = world.schedd.elsewhere = world.disk_full = False
        while world.late:
            world.act_late()

    def settle(self, *, ended: bool) -> None:
        """Passes until all is right; it is wrong if that takes hours."""
        world, wrong = self.world, ["not begun"]
        for _ in range(ROUNDS):
            if ended:
                world.do("all_end")
            world.round()
            world.do("all_let_go")
            self.oracle.check()
            wrong = self.oracle.problems(ended=ended)
            if not wrong:
                return
            world.wait(ROUND)
        assert not wrong, "; ".join(wrong)
