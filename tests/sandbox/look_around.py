"""A file for a person's shell to source: the settings and programs of a service that the demo has left up."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join, quote

# What belongs to the processes of the service, and not to a person's shell.
_NOT_EXPORTED = ("PATH", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_TOOLS = (
    *("condor_q", "condor_history", "condor_status", "condor_userprio"),
    *("condor_hold", "condor_release", "condor_rm"),
)
_HELP = """\
In this shell the commands of README.md and docs/operations.md work now:
  tms-watcher --status        what runs; --watch: live; --all: also the ended
  tms-watcher --explain       what needs a person, and why; --sites, --files
  tms-watcher --report today >day.html         also --timeline >jobs.svg
  tms-starter --check         is everything there? also tms-stopper --orphans
  run demo health             also run demo watcher --status, and so on
  supervisorctl status        also restart watcher, tail -f starter
  condor_q                    also condor_hold, condor_release, condor_rm, ...
  less {log}
"""


def write_look_around(
    directory: Path, environment: Mapping[str, str], python: Sequence[str], log: Path
) -> Path:
    """Write it and its programs into `directory`, and return its path.

    `python` runs a module of the service, in `environment`. The programs run as the user who writes this,
    also if root calls them.
    """
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    own = {name: environment[name] for name in _NOT_EXPORTED[1:] if name in environment}
    start = f"""\
#!/bin/sh
[ "$(id -u)" = {os.getuid()} ] ||
  exec setpriv --reuid={os.getuid()} --regid={os.getgid()} --init-groups -- "$0" "$@"
{_assignments(own)}
exec {join(python)}"""
    commands = {
        "tms": "common.service.entry",
        "supervisorctl": "common.service.entry supervisorctl",
        **{f"tms-{worker}": worker for worker in ("starter", "stopper", "watcher")},
        **{tool: f"tests.sandbox.tool {tool}" for tool in _TOOLS},
    }
    for name, command in commands.items():
        _write_program(programs / name, f'{start} {command} "$@"\n')
    _write_program(
        programs / "run",
        f'#!/bin/sh\nshift  # the name of the instance\nexec {quote(str(programs))}/tms "$@"\n',
    )
    path = directory / "look-around.sh"
    exported = {name: value for name, value in environment.items() if name not in _NOT_EXPORTED}
    path.write_text(
        f'{_assignments(exported)}\nexport PATH={quote(str(programs))}:"$PATH"\n'
        f"cat <<'EOF'\n{_HELP.format(log=log)}EOF\n"
    )
    return path


def _assignments(variables: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={quote(value)}" for name, value in variables.items())


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
