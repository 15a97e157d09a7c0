"""Why a login at the schedd fails: the bindings' own words, which they only write into their debug log.

HTCondor tries one method after the other. An error reads `Failed to start command.` and no more, or, where
the collector already wants a login, `Unable to locate local daemon.` (measured, 25.14.1). The debug log
cannot be switched off again, so a process of its own writes it: `python -m common.condor.login`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import htcondor2

_PATIENCE = 60.0  # seconds; a schedd that does not answer takes 20
# The server's answer, behind what we sent it: RemoteVersion = "$CondorVersion: 23.9.6 2026-07-12 ..."
_THEIR_VERSION = re.compile(r'server responded with:.*?RemoteVersion = "\$CondorVersion: (\S+)', re.DOTALL)
# AUTHENTICATE: method 4 (FS) failed.
_FAILED = re.compile(r"AUTHENTICATE: method \d+ \((\w+)\) failed")
# Looking for tokens in directory /home/you/.condor/tokens.d for issuer ap.example.org
_TOKENS = re.compile(r"Looking for tokens in directory (\S+) for issuer (\S+)")
# HTCondor before 24 names a directory that newer clients do not accept.
_OLD_FS = "doesn't match expected prefix"


def why_refused(collector: str = "", name: str = "") -> str:
    """What keeps us from logging in at this schedd, and what to do; an empty text if nothing is known."""
    command = [sys.executable, "-P", "-m", __name__, *([collector, name] if name else [])]
    environment = os.environ | {"_CONDOR_TOOL_DEBUG": "D_SECURITY:2"}
    try:
        done = subprocess.run(  # noqa: S603 - this module, with the settings' names
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return ""
    return read_debug_log(done.stderr)


def read_debug_log(text: str) -> str:
    """The cause and the cure in a debug log of the bindings; an empty text if every login succeeded."""
    failed = list(dict.fromkeys(_FAILED.findall(text)))
    if not failed:
        return ""
    there = _THEIR_VERSION.search(text)
    here = htcondor2.version().split()[1]
    parts = [f"login failed by {', '.join(failed)}"]
    if _OLD_FS in text:
        version = there[1] if there else "before 24"
        parts.append(f"HTCondor {version} there does not take the FS login of {here} here: it needs a token")
    elif "FS" in failed:
        parts.append("FS needs the same /tmp, and the same account here and there")
    if tokens := _TOKENS.search(text):
        parts.append(f"no token in {tokens[1]} is for {tokens[2]}")
    return "; ".join([*parts, "see Login in the README"])


def _try(collector: str = "", name: str = "") -> None:
    htcondor2.enable_debug()
    pool = htcondor2.Collector(collector) if collector else htcondor2.Collector()
    kind = htcondor2.DaemonType.Schedd
    htcondor2.ping(pool.locate(kind, name) if name else pool.locate(kind), "WRITE")


if __name__ == "__main__":
    _try(*sys.argv[1:])
