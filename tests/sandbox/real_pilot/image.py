"""Builds the real pilot's image: ewms-pilot from PyPI on Debian's Python, with Apptainer for its tasks.

The image has a task image inside, at TASK_IMAGE: a pilot's container sees the files of its own image at the
same path in each job, whatever a pool binds. The message broker of the tests, nats-server, is in it, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.sandbox import cache
from tests.sandbox.entry import enter_command
from tests.sandbox.pilot.image import BASE as TASK_BASE
from tests.sandbox.root import SID_BESIDE_TRIXIE, BuildFailed, Recipe, ensure_tree

TASK_IMAGE = "/tasks/shell"  # runs its arguments

_HERE = Path(__file__).parent
_LOCK = _HERE.parents[2] / "requirements/pilot.lock"
_ENTRYPOINT = _HERE.parent / "pilot/entrypoint.sh"  # the stand-in's, which does what the real image's does
# ewms-pilot 1.0.5 asks for Python 3.12, and later releases, which are not on PyPI, take Debian's 3.13; their
# main loop and chirps are the same. zstd, which has no wheel for 3.13, is Debian's. nkeys, which has no wheel
# at all, is left out: it is for a login that no test uses.
_PYTHON = "3.13"
_PIP = (
    "--no-deps --require-hashes --only-binary=:all: --no-compile --ignore-requires-python"
    f" --python-version {_PYTHON} --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64"
).split()
_BASE = Recipe(
    "trixie",
    (
        *("apptainer", "base-files", "bash", "coreutils", "dash", "libc-bin", "libpython3-stdlib"),
        *("libgcc-s1", "libstdc++6", "nats-server", "python3-minimal", "python3-zstd"),
    ),
    variant="extract",
    setup_hooks=SID_BESIDE_TRIXIE,
    directories=("proc", "sys", "tmp", "dev", "var/tmp"),
    empty_files=("etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf", "etc/localtime"),
)
_PILOT = """\
Bootstrap: localimage
From: /opt/pilot

%files
    {files}/entrypoint.sh /entrypoint.sh
    {files}/site /app/site
    {files}/passwd /etc/passwd
    {files}/group /etc/group

%environment
    export _EWMS_PILOT_CONTAINER_PLATFORM=apptainer
    export PYTHONPATH=/app/site

%runscript
    exec /entrypoint.sh python3 -m ewms_pilot
"""
_TASK = """\
Bootstrap: localimage
From: /opt/pilot

%runscript
    exec "$@"
"""
# The Apptainer in the image asks who root is.
_ACCOUNTS = {"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n"}
# One import compiles, for the later ones, what a pilot's start needs: no package's script has done so.
_COMPILE = """
chroot "$1/image" env PYTHONPATH=/app/site python3 -c 'import mqclient.queue, nats, ewms_pilot.pilot'
"""
_BUILD = """
mkdir "$1/home"
HOME=$1/home apptainer build --sandbox "$1/image" "$1/image.def"
"""


def ensure_real_pilot_image(root: Path) -> Path:
    """The cached image, built now (a minute) with the Apptainer of `root` if it is missing or has changed."""
    sources = [_ENTRYPOINT, _LOCK]
    recipe = "\n".join(
        [
            *(_BASE.text, TASK_BASE.text, _PILOT, _TASK, _BUILD, _COMPILE, *_PIP),
            *(source.read_text(encoding="utf-8") for source in sources),
        ]
    )
    return cache.cached("real-pilot", recipe, lambda image: _build(root, image))


def _build(root: Path, image: Path) -> None:
    print("Building an image of the real pilot ...", file=sys.stderr)
    base, task_base = ensure_tree("real-pilot-base", _BASE), ensure_tree("pilot-base", TASK_BASE)
    # /tmp is what the machine and the root both see, so the result is made there and moved into the cache.
    with tempfile.TemporaryDirectory(prefix="tms-real-pilot-") as scratch:
        files = Path(scratch)
        shutil.copy(_ENTRYPOINT, files)
        for name, text in _ACCOUNTS.items():
            (files / name).write_text(text, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*pip, *_PIP, "--target", f"{scratch}/site", "-r", str(_LOCK)])
        _apptainer_build(root, base, files, _PILOT.format(files=files), _BUILD + _COMPILE)
        subprocess.run(["cp", "-a", f"{files}/image/.", image], check=True)
        cache.remove_tree(files / "image")
        cache.remove_tree(files / "home")
        _apptainer_build(root, task_base, files, _TASK, _BUILD)
        task = image / TASK_IMAGE.removeprefix("/")
        task.parent.mkdir()
        subprocess.run(["cp", "-a", f"{files}/image", task], check=True)
        cache.remove_tree(files / "image")


def _apptainer_build(root: Path, base: Path, files: Path, definition: str, script: str) -> None:
    (files / "image.def").write_text(definition, encoding="utf-8")
    _run(enter_command(root, {"/opt/pilot": base}, ["sh", "-ec", script, "build", str(files)]))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(command[:4])} ... failed:\n{done.stdout}{done.stderr}")
