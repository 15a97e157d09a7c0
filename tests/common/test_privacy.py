"""Once the settings are read nothing of this process shows the secret: no child, HTCondor, or dump."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.privacy import SECRET_VARIABLES, forget_secrets, masked
from common.settings import Settings

CANARY = "canary-of-the-environment"
SHOW = """if True:
    import ctypes, os, resource, subprocess, sys
    import htcondor2
    from common.privacy import forget_secrets, keep_private
    if "open" not in sys.argv:
        keep_private()
        forget_secrets(os.environ)
    print("expanded", htcondor2.Submit({"x": "$ENV(EWMS_CLIENT_SECRET)"}).expand("x"))
    print("child")
    print(subprocess.run(["env"], capture_output=True, text=True).stdout)
    print("dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    print("core", resource.getrlimit(resource.RLIMIT_CORE))
    print("umask", oct(os.umask(0)))
    print("block", open("/proc/self/environ", "rb").read())
"""


def shown(*arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments],
        env={"EWMS_CLIENT_SECRET": CANARY, "CONDOR_CONFIG": "/dev/null", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.split()[0]: line for line in done.stdout.splitlines() if line}


def test_an_open_process_shows_its_secret_to_children_and_to_the_submit_language() -> None:
    output = shown("open")
    assert CANARY in output["expanded"], "the library has changed: this needs no care now"
    assert f"EWMS_CLIENT_SECRET={CANARY}" in output
    assert output["dumpable"] == "dumpable 1"


def test_a_process_that_keeps_private_shows_it_to_neither_and_leaves_no_core() -> None:
    output = shown()
    assert CANARY not in output["expanded"]
    assert not any(line.startswith("EWMS_CLIENT_SECRET") for line in output)
    assert output["dumpable"] == "dumpable 0"
    assert output["core"] == "core (0, 0)"
    assert output["umask"] == "umask 0o77"


def test_the_kernel_still_has_the_first_environment_which_is_why_it_is_closed_to_others() -> None:
    assert CANARY in shown()["block"], "the kernel has changed: forgetting alone would do now"


def test_every_setting_that_holds_a_secret_is_forgotten(tmp_path: Path) -> None:
    aliases = {field.alias for field in Settings.model_fields.values()}
    assert set(SECRET_VARIABLES) <= aliases
    secret = {f.alias for f in Settings.model_fields.values() if "Secret" in str(f.annotation) or not f.repr}
    assert secret == set(SECRET_VARIABLES)
    environ = dict.fromkeys(SECRET_VARIABLES, CANARY) | {"PATH": "/bin"}
    forget_secrets(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://me:canary@mq.example.org/vhost", "amqp://***@mq.example.org/vhost"),
        ("amqp://me:can@ry@mq.example.org:5672", "amqp://***@mq.example.org:5672"),
        ("https://a.example.org/b@c s3://canary@d/e", "https://a.example.org/b@c s3://***@d/e"),
    ],
)
def test_a_user_in_a_url_is_masked_with_all_of_the_password(url: str, shown: str) -> None:
    assert masked("BROKER", url) == shown
