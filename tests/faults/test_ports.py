"""The service listens to nobody: it runs here in a network of its own, in which every socket is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# Starts the service, and prints all network sockets once its workers are up.
LOOK = """
import json, pathlib, signal, subprocess, sys, time
output = pathlib.Path(sys.argv[1])
with output.open("wb") as stdout:
    service = subprocess.Popen(
        [sys.executable, "-P", "-m", "common.service.entry"], stdout=stdout, stderr=stdout
    )
deadline = time.monotonic() + 180
while output.read_text().count("started: version") < 3 and time.monotonic() < deadline:
    time.sleep(0.1)
names = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
sockets = [line for name in names for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]]
service.send_signal(signal.SIGTERM)
service.wait(60)
print(json.dumps([output.read_text().count("started: version"), sockets]))
"""


def test_no_port_is_open(tmp_path: Path, tmp_path_factory: object) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "CONDOR_CONFIG": "/dev/null",
        "EWMS_ADDRESS": "http://127.0.0.1:1",
        "EWMS_TOKEN_URL": "http://127.0.0.1:1",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "secret",
        "TMS_WMS_SCHEDD_NAME": "ap1",
        "JOB_EVENT_LOG_DIR": str(tmp_path / "s"),
        "TMS_METRICS_DIR": str(tmp_path),
    }
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", LOOK, str(tmp_path / "output")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    workers, sockets = json.loads(done.stdout)
    assert workers == 3
    assert len(list(tmp_path.glob("ewms_tms_*.prom"))) == 3, "metrics are on"
    assert [line for line in sockets if line.split()[3] in ("0A", "07")] == []  # LISTEN, and unconnected UDP
