"""The access point of the simulation: users, jobs, troubles and the three workers, by one agenda."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

from benchmarks.month.agenda import Agenda
from benchmarks.month.busy_schedd import BusySchedd
from benchmarks.month.lives import Lives
from benchmarks.month.plan import Arrival, Plan, Trouble, arrivals, troubles
from benchmarks.month.processes import Effort, Process, Turn
from benchmarks.month.traffic import Traffic
from common import watchdog
from common.neighbours import Neighbours
from common.stop import Stop
from common.worker import Worker
from tests.model.place import BEGIN, BUILD, REAL, Place
from tests.model.trouble import CALLS, KILLS, WRONGS, Pass
from tests.model.trouble import Trouble as AtACall
from tests.sandbox.wms.wire import RefusedError

RESTART = 5.0  # seconds until supervisord has started a worker again
HOUR = 3600.0
PAGE = 10**7  # bytes of one page of a query's answer, as the WMS has it
# What the WMS acts on twice, or after its end, gives a taskforce more entries than the oracles allow.
AT_A_CALL = {
    where: [what for what in wrongs if what not in ("acts twice", "acts late")]
    for where, wrongs in WRONGS.items()
}


class Month(Place):
    """A plan, carried out."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(BusySchedd, page_bytes=PAGE)
        self.busy = cast(BusySchedd, self.schedd)
        self.plan = plan
        self.agenda = Agenda(self.clock)
        self.traffic = Traffic()
        self.efforts = {name: Effort() for name in BUILD}
        self.wanted: dict[str, int] = {}  # taskforce -> number of workers
        self.happened: Counter[str] = Counter()
        self.wrong_with_wms = ""
        self.on_statuses: Callable[[dict[str, Any]], None] = lambda by_taskforce: None
        self._turn = Turn(self.agenda)
        self._chance = random.Random(plan.seed + 2)  # noqa: S311 - no secret
        self._patches.setattr(self.line, "ask", self._counting(self.line.ask))
        self._patches.setattr(self.wms._exchange, "journal", _NoJournal())
        for name in ("arm", "disarm"):  # one alarm of this process cannot watch over three workers
            self._patches.setattr(watchdog, name, lambda *_: None)
        self.processes: dict[str, Process] = {}
        self._lives = Lives(self.busy, self.agenda, plan.hours, plan.seed + 3)
        for name in BUILD:
            self._start(name)
        for arrival in arrivals(plan):
            self.agenda.at(BEGIN + arrival.at, partial(self._arrive, arrival))
        for trouble in troubles(plan):
            self.agenda.at(BEGIN + trouble.at, partial(self._go_wrong, trouble))
        self.agenda.after(HOUR, self._look_at_files)

    def close(self) -> None:
        """End the workers, too."""
        for process in self.processes.values():
            process.kill()
        self.agenda.run_until(self.clock.now)
        super().close()

    # -- workers --------------------------------------------------------------------------------------

    def phases(self) -> Counter[str]:
        """How many taskforces the WMS has in each phase."""
        return Counter(record["phase"] for record in self.wms._taskforces)

    def current(self) -> Pass | None:
        """The pass of the process whose turn it is."""
        return self._turn.of.this_pass if self._turn.of else None

    def do(self, action: str) -> None:
        """Nobody else acts in the middle of a pass here: what waits in a pass lets all others go on."""
        raise NotImplementedError(action)

    def _start(self, name: str) -> None:
        self.processes[name] = Process(
            name,
            self._turn,
            partial(self._build, name),
            partial(self._begin_pass, name),
            self.efforts[name],
            lambda: self.agenda.after(RESTART, partial(self._start, name)),
        )

    def _build(self, name: str, stop: Stop) -> tuple[Worker, Neighbours]:
        neighbours = self.neighbours(stop)
        return BUILD[name](neighbours), neighbours

    def _begin_pass(self, name: str) -> Pass:
        """Something goes wrong at one of its calls now and then, and most where it has something to do."""
        self.busy.flush()
        often = self.plan.troubled if self.plan.troubles else 0.0
        if (luck := self._chance.random()) >= often:
            return Pass(name)
        if luck >= often / 20 and not self.phases()[f"pending-{name}"]:
            return Pass(name)
        where = self._chance.choice(("wms", "schedd", "disk"))
        what = self._chance.choice([*AT_A_CALL[where], *KILLS])
        if where == "disk":
            return Pass(name, AtACall("disk", what, self._chance.randint(1, 24)))
        return Pass(name, AtACall(self._chance.choice(CALLS[name, where]), what))

    # -- calls to neighbours --------------------------------------------------------------------------

    def through(self, where: str, call: str, act: Callable[[], Any], wrong: Callable[[str], Any]) -> Any:
        """One call of a pass; what it takes is not the worker's own effort."""
        process = self._turn.of
        if process is None:
            return act()
        if where == "wms" and self.wrong_with_wms:
            return wrong(self.wrong_with_wms)
        if where == "disk":
            return super().through(where, call, act, wrong)
        with process.apart():
            return super().through(where, call, act, wrong)

    def _counting(self, ask: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def counted(address: str, request: Any) -> Any:
            answer = ask(address, request)
            who = self._turn.of.name if self._turn.of else "user"
            sent, received = len(request.body or b""), len(answer.raw.getvalue())
            self.traffic.note(who, request.url, request.headers, sent, received)
            if request.url.endswith("/tms/statuses/taskforces") and answer.status_code in (200, 207):
                self.on_statuses(json.loads(request.body).get("compound_statuses_by_taskforce", {}))
            return answer

        return counted

    # -- users and operators --------------------------------------------------------------------------

    def _arrive(self, arrival: Arrival) -> None:
        config = {"do_transfer_worker_stdouterr": arrival.keeps_output}
        uuid = self.wms.add_taskforce(n_workers=arrival.n_workers, worker_config=config)
        self.wanted[uuid] = arrival.n_workers
        if arrival.ended:
            self.agenda.after(arrival.ended_after, partial(self._end, uuid, arrival.ended))

    def _end(self, uuid: str, how: str) -> None:
        self.happened[f"taskforces: {how}"] += 1
        if how == "condor_rm":
            for cluster in self.clusters_of(uuid):
                self.busy.take_out(cluster)
            return
        end = self.wms.abort if how == "abort" else self.wms.finish
        with suppress(RefusedError):
            end(uuid)

    # -- troubles -------------------------------------------------------------------------------------

    def _go_wrong(self, trouble: Trouble) -> None:
        self.happened[trouble.what] += 1
        where, _, how = trouble.what.partition(" ")
        if where == "kill":
            self.processes[how].kill()
        elif where == "service":
            for process in self.processes.values():
                process.ask_to_stop()
        else:
            self._set(where, how)
            self.agenda.after(trouble.seconds, partial(self._set, where, ""))

    def _set(self, where: str, how: str) -> None:
        if where == "wms":
            self.wrong_with_wms = how
        elif where == "schedd":
            self.busy.down = bool(how)
        else:
            self.busy.flush()
            self.disk_full = self.busy.mute = bool(how)
            self.room = 0 if how else 10**12

    def recover(self) -> None:
        """Nothing is wrong any more."""
        for where in ("wms", "schedd", "disk"):
            self._set(where, "")

    # -- files ----------------------------------------------------------------------------------------

    def _look_at_files(self) -> None:
        """Give what was written since an hour ago the simulated time."""
        for path in self.directory.iterdir():
            if path.name != ".tms" and path.lstat().st_mtime > REAL:
                for inner in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
                    self.set_time(inner)
                self.set_time(path)
        self.agenda.after(HOUR, self._look_at_files)


class _NoJournal:
    """In place of the stand-in's record of all requests, which would fill the memory."""

    def open(self, _incoming: object) -> int:
        return 0

    def note(self, _number: int, **_: object) -> None:
        pass
