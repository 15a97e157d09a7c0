"""The workers' programs, as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys


def run(worker: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The worker as a person runs it, without HTCondor at hand."""
    return subprocess.run(
        [sys.executable, "-P", "-m", worker, *arguments],
        env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
