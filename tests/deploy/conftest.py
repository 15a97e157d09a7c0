"""An operator's account on an access point, with small real programs in place of Apptainer and systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
FAKES = Path(__file__).with_name("fakes")


@dataclass(frozen=True)
class Operator:
    """Somebody with an empty home and a shell."""

    home: Path

    def run(self, program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of deploy/'s programs, or an installed one."""
        path = f"{FAKES}:{os.environ['PATH']}"
        return subprocess.run(
            [program, *arguments],
            env={"PATH": path, "HOME": str(self.home), "FAKES": str(self.home)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def image(self, version: str, *traits: str) -> Path:
        """An image of this version; see fakes/tms for its traits."""
        image = self.home / "cvmfs" / f"ewms-tms:{version}"
        image.mkdir(parents=True)
        for trait in traits:
            (image / trait).touch()
        shutil.copy(FAKES / "tms", image)
        return image

    def calls(self, program: str) -> list[str]:
        """The command lines that a fake was called with."""
        calls = self.home / f"{program}.calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def settings(self) -> Path:
        """The settings of the instance prod."""
        return self.home / ".config/ewms-tms/prod.env"

    @property
    def link(self) -> Path:
        """What names the image of the instance prod."""
        return self.home / ".local/share/ewms-tms/prod/image"

    @property
    def programs(self) -> Path:
        """Where deploy/install puts the programs."""
        return self.home / ".local/libexec/ewms-tms"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture
def installed(operator: Operator) -> Operator:
    """An operator with an instance prod of version 1, running."""
    done = operator.run(DEPLOY / "install", "prod", str(operator.image("v1")))
    assert done.returncode == 0, done.stderr
    operator.settings.write_text(f"EWMS_CLIENT_SECRET=swordfish\nJOB_EVENT_LOG_DIR={operator.home}/scratch\n")
    (operator.home / "running").write_text(f"{operator.home}/cvmfs/ewms-tms:v1\n")
    return operator
