"""The troubles of a soak, made with a real pool, a stand-in WMS and real processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from threading import Timer

from tests.faults.plan import WORKERS
from tests.faults.reader import PipedTms
from tests.sandbox.control import PoolClient
from tests.sandbox.pool import PoolError
from tests.sandbox.wms import TOKEN_ROUTES, Fault, StandInWms

LATE = 3.0  # seconds after which the WMS acts on what it got while it did not reply
SAYS = {"starter": "condor-submit", "stopper": "condor-rm", "watcher": "condor-complete"}
End = Callable[[], object]


def _nothing() -> None:
    """Such a trouble has no end of its own."""


class Troubles:
    """Begins troubles by name; `begin` returns what ends them."""

    def __init__(self, pool: PoolClient, wms: StandInWms, tms: PipedTms) -> None:
        self.pool, self.wms, self.tms = pool, wms, tms
        self.other_wms = StandInWms(schedd=wms.schedd)  # which knows nothing of our taskforces
        self.count: Counter[str] = Counter()
        self.unlogged: set[str] = set()  # taskforces that were not over when a log was damaged
        self._beside: list[subprocess.Popen[bytes]] = []
        self._timers: list[Timer] = []

    def begin(self, what: str) -> End:
        """Let it go wrong; what cannot go wrong now (a worker that is dead already) does not count."""
        neighbour, _, how = what.partition(" ")
        end: End | None = getattr(self, f"_{neighbour}")(how)
        if neighbour != "catch":  # which counts the kills that came of it
            self.count[what] += end is not None
        return end or _nothing

    def recover(self) -> None:
        """Everybody answers again, and nothing of ours runs beside the service."""
        for timer in self._timers:
            timer.join()
        self.wms.clear_faults()
        self.wms.answered_by()
        self.wms.act_late()
        self.other_wms.close()
        self.tms.reads.set()
        self.wms.up("wms")
        self.wms.up("tokens")
        self._scratch_is(0o755)
        self._limit(resource.RLIM_INFINITY)
        self._collector_answers()
        self._schedd_answers()
        for process in self._beside:
            process.wait(120)

    # -- processes ------------------------------------------------------------------------------------

    def _kill(self, worker: str) -> End | None:
        if worker == "supervisord":
            return self.tms.restart if self.tms.kill_supervisord() else None
        pid = self.tms.worker_pid(worker)
        if pid is None:
            return None
        os.kill(pid, signal.SIGKILL)
        return _nothing

    def _catch(self, how: str) -> End:
        """Hold a worker's next post, and kill the worker.

        The WMS has not acted on it and never will (before), acts after the kill (late), or has acted and
        did not reply (after).
        """
        worker, moment = how.split()
        route = f"/v1/tms/{SAYS[worker]}/taskforces/*"
        held = self.wms.pause_at("POST", route, "after" if moment == "after" else "before")

        def end() -> None:
            caught = held.reached.is_set() and self._kill(worker) is not None
            self.count[f"kill {worker} {moment} {SAYS[worker]}"] += caught
            held.release(drop=caught and moment == "before")

        return end

    def _stdout(self, _stall: str) -> End:
        """Nobody reads the service's log."""
        self.tms.reads.clear()
        return self.tms.reads.set

    def _second(self, _worker: str) -> End:
        """Another starter on the same scratch directory."""
        self._run([*self.tms.python, "starter", "--once"])
        return _nothing

    def _restart(self, _all: str) -> End:
        self._run([*self.tms.python, "supervisor.supervisorctl", "-c", str(self.tms.conf), "restart", "all"])
        return _nothing

    def _run(self, command: list[str]) -> None:
        self._beside.append(
            subprocess.Popen(
                command, env=self.tms.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )

    # -- the WMS and its token service ----------------------------------------------------------------

    def _wms(self, how: str) -> End:
        if how == "down":
            self.wms.down()
            return self.wms.up
        if how in ("another", "either"):
            self.wms.answered_by(self.other_wms, *[self.wms] * (how == "either"))
            return self.wms.answered_by
        if how == "late":
            return self._late()
        if how == "proxy":
            return self._faults(
                self.wms.fault("proxy", status=404), self.wms.fault("proxy", route=TOKEN_ROUTES, status=404)
            )
        if how == "forgets":  # as a part of it that looks into another database
            start = self._refuses(SAYS["starter"], 404)
            return self._faults(start, self.wms.fault("error", route="/v1/taskforces/*", status=404))
        if how.startswith("confirm-"):
            return self._faults(*(self._refuses(phase, int(how[-3:])) for phase in SAYS.values()))
        if how.isdigit() and how != "403":
            fault = self.wms.fault("error", status=int(how), retry_after=1)
        elif how == "slow":
            fault = self.wms.fault("slow", seconds=2)
        else:
            fault = self.wms.fault("refuse" if how == "403" else how)
        return self._faults(fault)

    def _late(self) -> End:
        """No reply to statuses and starts, on which the WMS acts when the worker has given up."""
        end = self._faults(
            self.wms.fault("late", method="POST", route="/v1/tms/statuses/taskforces"),
            self.wms.fault("late", method="POST", route="/v1/tms/condor-submit/taskforces/*"),
        )

        def end_late() -> None:
            end()
            timer = Timer(LATE, self.wms.act_late)
            self._timers.append(timer)
            timer.start()

        return end_late

    def _refuses(self, phase: str, status: int) -> Fault:
        """The WMS itself refuses each confirmation of this phase, as it does one that it cannot read."""
        return self.wms.fault("error", method="POST", route=f"/v1/tms/{phase}/taskforces/*", status=status)

    def _faults(self, *faults: Fault) -> End:
        """What ends these faults."""

        def end() -> None:
            for fault in faults:
                self.wms.clear_faults(fault)

        return end

    def _tokens(self, how: str) -> End:
        self.wms.tokens.rotate_key()  # so that a new one is needed now
        if how == "down":
            self.wms.down("tokens")
            return lambda: self.wms.up("tokens")
        if how == "refuse":
            fault = self.wms.fault("refuse", route=TOKEN_ROUTES)
            return lambda: self.wms.clear_faults(fault)
        return _nothing

    # -- the schedd -----------------------------------------------------------------------------------

    def _schedd(self, how: str) -> End | None:
        if how in ("stop", "hang"):
            return self._signal(signal.SIGSTOP) and (lambda: self._signal(signal.SIGCONT))
        if how == "kill":
            return self._signal(signal.SIGKILL)
        try:
            self.pool.stop_daemon("schedd")
        except PoolError:
            return None
        return self._schedd_answers

    def _signal(self, number: int) -> End | None:
        try:
            self.pool.signal_daemon("schedd", number)
        except PoolError:
            return None  # it is being started again
        return _nothing

    def _schedd_answers(self) -> None:
        self._signal(signal.SIGCONT)
        for patience in (2, 1, 0):
            try:
                self.pool.start_daemon("schedd")
                break
            except PoolError:  # on a busy machine it takes longer than the pool waits
                if not patience:
                    raise

    # -- the collector --------------------------------------------------------------------------------

    def _collector(self, _stop: str) -> End | None:
        try:
            self.pool.stop_daemon("collector")
        except PoolError:
            return None
        return self._collector_answers

    def _collector_answers(self) -> None:
        """It runs again, and the others advertise themselves now and not in minutes."""
        self.pool.start_daemon("collector")
        for daemon in ("startd", "schedd"):
            with suppress(PoolError):  # one that is being started does so by itself
                self.pool.signal_daemon(daemon, signal.SIGHUP)

    # -- the scratch directory ------------------------------------------------------------------------

    def _scratch(self, how: str) -> End:
        if how == "read-only":
            self._scratch_is(0o500)
            return lambda: self._scratch_is(0o755)
        self._limit(0)
        return lambda: self._limit(resource.RLIM_INFINITY)

    def _scratch_is(self, mode: int) -> None:
        for directory in (self.tms.scratch, self.tms.scratch / ".tms", self.tms.scratch / ".tms/intents"):
            directory.chmod(mode if mode == 0o500 else (0o755 if directory == self.tms.scratch else 0o700))

    def _limit(self, size: int) -> None:
        """No worker can write a byte to a file, as on a full disk; the schedd writes its logs."""
        for worker in WORKERS:
            if pid := self.tms.worker_pid(worker):
                try:
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
                except ProcessLookupError:
                    continue

    # -- job event logs -------------------------------------------------------------------------------

    def _log(self, how: str) -> End | None:
        logs = sorted(self.tms.scratch.glob("*.tms.jel"))
        if not logs:
            return None
        log = logs[-1]
        if how == "garbage":
            with log.open("ab") as file:
                file.write(b"\0\xff\x1b[2J 005 (1.0.0) not an event\n")
            return _nothing
        self.unlogged |= {
            record["taskforce_uuid"]
            for record in self.wms.taskforces()
            if record["phase"] not in ("condor-complete", "pending-starter")
            or self.tms.intends(record["taskforce_uuid"])
        }
        try:
            if how == "truncate":
                os.truncate(log, 0)
            elif how == "delete":
                log.unlink()
            else:
                other = log.with_name("other")
                other.write_bytes(b"")
                other.replace(log)
        except PermissionError:  # the scratch directory is read-only just now
            return None
        return _nothing
