"""A real HTCondor pool of one machine, in a Debian root of its own, on a port of its own.

python -m tests.sandbox.pool run [OPTIONS] -- COMMAND...    a pool for as long as COMMAND runs
python -m tests.sandbox.pool shell [OPTIONS]                the same with a shell to look around
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.sandbox import cache, processes, system
from tests.sandbox.account import pool_account
from tests.sandbox.entry import Entry
from tests.sandbox.pilot.image import ensure_pilot_image, is_pilot_image_built
from tests.sandbox.pool_config import HOST_NAME, Layout, PoolConfig, write_pool, write_token
from tests.sandbox.pool_directory import free_port, make_pool_directory
from tests.sandbox.real_pilot.image import ensure_real_pilot_image
from tests.sandbox.root import DEFAULT_VERSION, condor_version, ensure_root, is_built

PILOT_PATH = "/cvmfs/icecube.opensciencegrid.org/containers/ewms/observation-management-service/ewms-pilot"

_START_PATIENCE = 60.0
_GRACEFUL_PATIENCE = 6.0
_FAST_PATIENCE = 4.0
_COPIED = ("ClusterId = ", "ProcId = ", "EWMSTaskforceUUID = ", "GlobalJobId = ")  # what distinguishes copies
_TELLING_LOGS = ("Master", "SharedPort", "Collector", "Sched", "Start")


class PoolError(Exception):
    """The pool, or a tool run in it, did not do what it was asked for."""


class Pool:
    """One pool: started on entry, on exit stopped with everything that it started, and removed.

    `version` is one of tests.sandbox.root.RECIPES. `config` holds lines of HTCondor configuration, for the
    pool and for its clients. A `stock` pool has the configuration of the package, and nothing for tests. With
    `keep` the pool's directory, logs and all, outlives it. If the process that owns a pool is killed, the
    pool ends with it. Start it from a thread that lives as long as the pool.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        config: Sequence[str] = (),
        *,
        cpus: int = 32,
        keep: bool = False,
        stock: bool = False,
    ) -> None:
        self._recipe = version
        self._stock = stock
        self._config = config
        self._cpus = cpus
        self._keep = keep
        self._resources = ExitStack()
        self._entry: Entry | None = None
        self.account = pool_account()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Builds what is not in the cache yet, starts the pool, and returns when it takes jobs."""
        building = not (is_built(self._recipe) and is_pilot_image_built())
        system.require_machine(self.account, building=building)
        root = ensure_root(self._recipe)
        pilot_image = ensure_pilot_image(root)
        self.version = condor_version(root)
        try:
            for tree in (root, pilot_image):
                self._resources.enter_context(cache.in_use(tree))
            self._start(root, pilot_image)
        except BaseException:
            self.stop()
            raise

    def _start(self, root: Path, pilot_image: Path) -> None:
        self.layout = Layout(make_pool_directory(self._resources, keep=self._keep))
        config = PoolConfig(self.account, free_port(), self._cpus, self._config, self._stock)
        write_pool(self.layout, config, root)
        master = ["condor_master", "-f"]
        command = master if os.geteuid() == 0 else self.account.inner_command(master)
        with (self.layout.directory / "master.out").open("wb") as output:
            self._entry = Entry(root, self.layout.binds(pilot_image), command, output)
        self._wait(self._takes_jobs, _START_PATIENCE, "does not come up")
        # Measured: 23.9.6 refuses the FS login of bindings of 24.12 and newer. So its administrator gives the
        # user a token, as the README has it.
        if int(self.version.partition(".")[0]) < 24:
            create = ["condor_token_create", "-identity", f"{self.account.name}@{HOST_NAME}"]
            write_token(self.layout, self.account, self._run(create, administrator=True).stdout)

    def stop(self) -> None:
        """Stops the pool: in good order if that takes no more than ten seconds, otherwise at once."""
        with self._resources:
            if entry := self._entry:
                for number, patience in (
                    (signal.SIGTERM, _GRACEFUL_PATIENCE),
                    (signal.SIGQUIT, _FAST_PATIENCE),
                ):
                    if (master := self._master()) and _signalled(master.pid, number) and entry.end(patience):
                        break
                entry.kill()
                self._entry = None

    def tool(
        self, *command: str, check: bool = True, patience: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of HTCondor's tools, or any command, in the pool's root as the pool's user.

        Raises PoolError if it takes longer than `patience` seconds or, with `check`, if it fails.
        """
        return self._run(list(command), check=check, patience=patience)

    def start_program(
        self, *command: str, environment: Mapping[str, str], stdout: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Starts a command in the pool's root as the pool's user; all its output goes to `stdout`.

        A signal to the returned process does not reach the command, so signal its children.
        """
        if self._entry is None:
            raise PoolError("the pool is not running")
        variables = {"HOME": str(self.layout.home), "USER": self.account.name, "LANG": "C.UTF-8"}
        joined = self._entry.join_command(
            self.account.inner_command(list(command)), {**variables, **environment}
        )
        return subprocess.Popen(joined, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT)

    def signal_daemon(self, name: str, signal_number: int) -> None:
        """Sends a signal to a daemon, named like "schedd". The master soon starts a killed one again."""
        if (pid := self.daemon_pid(name)) is None:
            raise PoolError(f"there is no {name}")
        os.kill(pid, signal_number)

    def stop_daemon(self, name: str) -> None:
        """Stops a daemon permanently; returns when it is gone. The jobs of a stopped schedd go on."""
        self._run(["condor_off", "-fast", "-daemon", name], administrator=True)
        self._wait(lambda: self.daemon_pid(name) is None, 30.0, f"keeps its {name}")

    def start_daemon(self, name: str) -> None:
        """Starts a stopped daemon; returns when it runs and, if it is the schedd, answers."""
        self._run(["condor_on", "-daemon", name], administrator=True)
        self._wait(lambda: self._answers(name), 30.0, f"does not start its {name}")

    def restart_daemon(self, name: str) -> None:
        """Stops and starts a daemon that reacts (a stopped or hung one has to be killed by a signal)."""
        self.stop_daemon(name)
        self.start_daemon(name)

    def configure(self, *lines: str) -> None:
        """Adds these lines to the daemons' configuration, in place of those of the last call.

        The schedd has them when this returns.
        """
        text = "".join(f"{line}\n" for line in lines)
        (self.layout.directory / "etc/config.d/60-configured").write_text(text, encoding="utf-8")
        self.restart_daemon("schedd")

    def exchange_queue(self) -> None:
        """Restarts the schedd with an empty job queue of its own, and the next time with the one before.

        What runs goes on unseen meanwhile; the numbers of clusters begin again.
        """
        spool = self.layout.spool
        queue, aside = spool / "job_queue.log", spool / "job_queue.log.aside"
        self.stop_daemon("schedd")
        if aside.exists():
            aside.replace(queue)
        else:
            queue.rename(aside)
        self.start_daemon("schedd")

    def forget_history(self) -> None:
        """Empties the schedd's history. In place, as a schedd that runs keeps it open (measured)."""
        with (self.layout.spool / "history").open("r+b") as history:
            history.truncate()

    def fill_history(self, jobs: int, *, per_cluster: int = 50) -> None:
        """Appends copies of its newest job to the schedd's history, `per_cluster` for each taskforce."""
        path = self.layout.spool / "history"
        ad = path.read_text("utf-8").rpartition("\n*** ")[0].rpartition("\n*** ")[2].partition("\n")[2]
        kept = [line for line in ad.splitlines(keepends=True) if not line.startswith(_COPIED)]
        text, offset = "".join([*kept, "" if ad.endswith("\n") else "\n"]), path.stat().st_size
        with path.open("a", encoding="utf-8") as history:
            for number in range(jobs):
                cluster, proc = 1_000_000 + number // per_cluster, number % per_cluster
                ids = f'ClusterId = {cluster}\nProcId = {proc}\nEWMSTaskforceUUID = "TF-ended-{cluster}"\n'
                history.write(
                    f"{text}{ids}*** Offset = {offset} ClusterId = {cluster} ProcId = {proc}"
                    f' Owner = "{self.account.name}" CompletionDate = 0 CurrentTime = {int(time.time())}\n'
                )
                offset = history.tell()

    def daemon_pid(self, name: str) -> int | None:
        """The process id of a daemon, as the machine sees it."""
        if (master := self._master()) is None:
            return None
        children = [process for process in processes.descendants(master.pid) if process.parent == master.pid]
        return next((process.pid for process in children if process.name == f"condor_{name}"), None)

    def facts(self) -> dict[str, str]:
        """What a client may want to know about the pool."""
        return {"version": self.version}

    def fresh_ads(self, *, stock: bool) -> dict[str, dict[str, object]]:
        """What startd and schedd of a new pool advertise, by the ad's type; `stock`: of a stock pool.

        A schedd's ads of its first six to eight seconds allow no transfers at all (measured, both versions).
        """
        ads: dict[str, dict[str, object]] = {}

        def knows_its_own_limits() -> bool:
            shown = json.loads(pool.tool("condor_status", "-any", "-json").stdout)
            ads.update({ad["MyType"]: ad for ad in shown if ad["MyType"] in ("Machine", "Scheduler")})
            return ads["Scheduler"]["TransferQueueMaxUploading"] != 0

        with Pool(self._recipe, cpus=self._cpus, stock=stock) as pool:
            pool._wait(knows_its_own_limits, 60, "does not advertise that it takes transfers")
        return ads

    def install_pilot(self, tag: str) -> str:
        """Puts the stand-in pilot's image where the TMS looks for this tag; the path, as jobs name it."""
        image = self._place_of_pilot(tag)
        if not image.is_symlink():
            image.symlink_to("/opt/pilot")
        return f"{PILOT_PATH}:{tag}"

    def install_real_pilot(self, tag: str) -> str:
        """The same with the real pilot, whose image is built first if need be (two minutes)."""
        image = self._place_of_pilot(tag)
        if not image.exists():
            built = ensure_real_pilot_image(ensure_root(self._recipe))
            with cache.in_use(built):
                subprocess.run(["cp", "-a", "--reflink=auto", built, image], check=True)
        return f"{PILOT_PATH}:{tag}"

    def _place_of_pilot(self, tag: str) -> Path:
        if not re.fullmatch(r"[\w.-]+", tag):
            raise ValueError(f"not a tag: {tag!r}")
        image = self.layout.cvmfs / f"{PILOT_PATH.removeprefix('/cvmfs/')}:{tag}"
        image.parent.mkdir(parents=True, exist_ok=True)
        return image

    def _run(
        self, command: list[str], *, administrator: bool = False, check: bool = True, patience: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        if self._entry is None:
            raise PoolError("the pool is not running")
        if not (administrator and os.geteuid() == 0):
            command = self.account.inner_command(command)
        environment = {"HOME": str(self.layout.home), "LANG": "C.UTF-8"}
        try:
            done = subprocess.run(
                self._entry.join_command(command, environment),
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=patience,
            )
        except subprocess.TimeoutExpired as error:
            raise PoolError(f"{command} takes longer than {patience} s") from error
        if check and done.returncode != 0:
            raise PoolError(f"{command} failed with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def _master(self) -> processes.Process | None:
        inside = self._entry.inside() if self._entry else []
        return next((process for process in inside if process.name == "condor_master"), None)

    def _takes_jobs(self) -> bool:
        if self._master() is None:
            return False
        done = self.tool("condor_status", "-any", "-af", "MyType", check=False)
        return {"Machine", "Scheduler", "Negotiator"} <= set(done.stdout.split())

    def _answers(self, name: str) -> bool:
        if self.daemon_pid(name) is None:
            return False
        return name != "schedd" or self.tool("condor_q", check=False).returncode == 0

    def _wait(self, condition: Callable[[], bool], patience: float, complaint: str) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline or self._entry is None or self._entry.ended:
                raise PoolError(f"the pool {complaint}\n{self._last_words()}")
            time.sleep(0.05)

    def _last_words(self) -> str:
        logs = [
            self.layout.directory / "master.out",
            *(self.layout.log / f"{name}Log" for name in _TELLING_LOGS),
        ]
        parts = []
        for log in logs:
            if log.exists() and (lines := log.read_text(encoding="utf-8", errors="replace").splitlines()):
                parts += [f"{log.name}:", *(f"  {line}" for line in lines[-8:])]
        return "\n".join(parts)


def _signalled(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    from tests.sandbox.run import main

    raise SystemExit(main())
