"""An operator's account on an access point, with the real Apptainer and a stand-in for systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.container.image import TOP
from tests.sandbox.pool import Pool
from tests.sandbox.wms import StandInWms

HERE = Path(__file__).parent


class Account:
    """The operator's account on the access point, and a shell there."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.home = pool.layout.home
        self.programs = self.home / ".local/libexec/ewms-tms"
        self.link = self.home / ".local/share/ewms-tms/prod/image"
        self.deploy = pool.layout.directory / "deploy"
        shutil.copytree(TOP / "deploy", self.deploy)
        shutil.copy(HERE / "systemctl", self.deploy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sh("systemctl --user stop ewms-tms@prod")
        log = self.home / "unit.log"
        print(log.read_text()[-8000:] if log.exists() else "nothing was started")
        shutil.rmtree(self.deploy)

    def sh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line there."""
        times = {
            "UPGRADE_WAIT_FOR_IMAGE": "0",
            "UPGRADE_WAIT_FOR_HEALTH": "120",
            "UPGRADE_PAUSE": "0.5",
        }
        environment = {"PATH": f"{self.deploy}:/usr/bin:/bin", **times}
        with self.pool.start_program(
            "bash", "-c", command, environment=environment, stdout=subprocess.PIPE
        ) as process:
            output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, output.decode(), "")

    def configure(self, wms: StandInWms, schedd: str | None = None) -> None:
        """Fill in the settings, as the operator does; `schedd` is what the WMS calls this access point."""
        settings = wms.environment() | {
            "JOB_EVENT_LOG_DIR": f"/scratch/{self.pool.account.name}/prod",
            "TMS_WMS_SCHEDD_NAME": schedd or wms.schedd,
            "TMS_OUTER_LOOP_WAIT": "1",
            "TMS_WATCHER_INTERVAL": "1",
            "TMS_WATCHER_QUIET": "10",
        }
        lines = "\n".join(f'{name}="{value}"' for name, value in settings.items())
        assert self.sh(f"cat >~/.config/ewms-tms/prod.env <<'END'\n{lines}\nEND").returncode == 0
