"""`python -m tests.sandbox.memory`: memory of the whole service, process by process.

A sandbox pool is started, and in it the service as the container starts it. A few taskforces go through it
first, so that each part has loaded what it uses. Only root may look into the service's processes.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.sandbox.control import PoolClient
from tests.sandbox.processes import descendants
from tests.sandbox.tms import CHECKOUT, Tms
from tests.sandbox.wms import StandInWms

PARTS = {
    "common.service.entry",
    "common.service.supervisord",
    "common.service.guard",
    "watcher",
    "stopper",
    "starter",
}
KINDS = ("Rss", "Pss", "Private")
PATIENCE = 120.0  # seconds for the taskforces
SETTLE = 3.0  # seconds after the last one
READY = "ready"
_UNCOMPILED = shutil.ignore_patterns("__pycache__")


def main() -> int:
    """Start a pool and the service, and print the memory of its processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.memory", description=__doc__)
    parser.add_argument("--taskforces", type=int, default=5)
    parser.add_argument("--version", default="25.14.1", help="of HTCondor")
    parser.add_argument("--inside", action="store_true", help="be the part that runs in the pool")
    options = parser.parse_args()
    if options.inside:
        return _serve(options.taskforces)
    inside = ["python", "-m", "tests.sandbox.memory", "--inside", f"--taskforces={options.taskforces}"]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.pool", "run", f"--version={options.version}", "--", *inside],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as pool:
        assert pool.stdout is not None
        if any(line.strip() == READY for line in pool.stdout):
            processes = [(_part(one.pid), one.pid) for one in descendants(pool.pid)]
            _print([(part, memory_of(pid)) for part, pid in processes if part in PARTS])
        pool.communicate("done\n")
    return pool.returncode


def memory_of(pid: int) -> Counter[str]:
    """Kilobytes of a process: resident, its share of them, and what it shares with nobody (proc(5))."""
    memory: Counter[str] = Counter()
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount = line.split()[0].rstrip(":"), int(line.split()[1])
        memory["Private" if name in ("Private_Clean", "Private_Dirty") else name] += amount
    return memory


def _serve(taskforces: int) -> int:
    """In the pool: run the service until a line comes in."""
    pool = PoolClient.from_environment()
    if pool is None:
        raise SystemExit("only inside a pool")
    pool.install_pilot("latest")
    with tempfile.TemporaryDirectory() as directory, StandInWms(schedd=pool.schedd_name) as wms:
        for _ in range(taskforces):
            wms.add_taskforce(
                n_workers=2,
                pilot_environment={"SANDBOX_PILOT": "succeed", "SANDBOX_PILOT_SECONDS": "1"},
                worker_config={"worker_memory": "64M", "worker_disk": "10M", "condor_requirements": ""},
            )
        installed = {"PYTHONPATH": str(_install(Path(directory) / "installed"))}
        with Tms(Path(directory), wms.environment() | installed | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name}):
            deadline = time.monotonic() + PATIENCE
            while any(one["phase"] != "condor-complete" for one in wms.taskforces()):
                if time.monotonic() > deadline:
                    raise SystemExit(f"not complete: {Counter(one['phase'] for one in wms.taskforces())}")
                time.sleep(0.2)
            time.sleep(SETTLE)
            print(READY, flush=True)
            sys.stdin.readline()
    return 0


def _install(directory: Path) -> Path:
    """Our packages as an installation has them: compiled, because compiling leaves holes in the memory."""
    for package in ("common", "starter", "stopper", "watcher"):
        shutil.copytree(CHECKOUT / package, directory / package, ignore=_UNCOMPILED)
    shutil.copy(CHECKOUT / "supervisord.conf", directory)
    compileall.compile_dir(directory, quiet=1)
    return directory


def _part(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return ""
    return command[command.index("-m") + 1] if "-m" in command else ""


def _print(rows: list[tuple[str, Counter[str]]]) -> None:
    total: Counter[str] = Counter()
    print(f"{'MB':28}" + "".join(f"{kind:>9}" for kind in KINDS))
    for name, memory in rows:
        total += memory
        print(f"{name:28}" + "".join(f"{memory[kind] / 1024:9.1f}" for kind in KINDS))
    print(f"{'together':28}" + "".join(f"{total[kind] / 1024:9.1f}" for kind in KINDS))


if __name__ == "__main__":
    sys.exit(main())
