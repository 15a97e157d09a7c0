"""The way into a root: enter.sh starts something there, `Entry` joins what has been started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.sandbox import processes

_ENTER = Path(__file__).with_name("enter.sh")
_INNER_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def enter_command(root: Path, binds: Mapping[str, Path], command: list[str]) -> list[str]:
    """`command` in `root`, with the values of `binds` seen at its keys; ends with its caller."""
    options = [text for target, source in binds.items() for text in ("--bind", str(source), target)]
    return [str(_ENTER), str(root), *options, "--", *command]


class Entry:
    """A root with a command running in it, to be joined by others and ended with all that they started."""

    def __init__(self, root: Path, binds: Mapping[str, Path], command: list[str], output: IO[bytes]) -> None:
        # A session of its own: an interrupt from the terminal is for the caller, who then ends this properly.
        self._process = subprocess.Popen(
            enter_command(root, binds, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether the command, and with it everything inside, is over."""
        return self._process.poll() is not None

    def inside(self) -> list[processes.Process]:
        """The processes inside, as the machine sees them; the first one is the command's parent."""
        return processes.descendants(self._process.pid)

    def join_command(self, command: list[str], environment: Mapping[str, str]) -> list[str]:
        """`command` beside the running one, as root of the same namespaces, in only the environment given."""
        namespaces = ["--mount", "--pid", "--root", "--wd"]
        if os.geteuid() != 0:
            namespaces += ["--user", "--preserve-credentials"]
        variables = [f"{name}={value}" for name, value in {"PATH": _INNER_PATH, **environment}.items()]
        return ["nsenter", f"--target={self.inside()[0].pid}", *namespaces, "env", "-i", *variables, *command]

    def end(self, patience: float) -> bool:
        """Waits so many seconds for a voluntary end; whether it came."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """Ends everything inside at once; returns when it is gone."""
        inside = self.inside()
        self._process.kill()
        self._process.wait()
        for process in inside:
            processes.wait_for_end(process)
