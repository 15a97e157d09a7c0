"""Builds the stand-in pilot's image: an Apptainer sandbox directory, as the real one is on CVMFS."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.sandbox import cache
from tests.sandbox.entry import enter_command
from tests.sandbox.root import BuildFailed, Recipe, ensure_tree

_HERE = Path(__file__).parent
_BASE_NAME = "pilot-base"
# The "extract" variant only unpacks: nothing in the image needs what the packages' scripts would set up.
BASE = Recipe(
    "trixie",
    ("base-files", "bash", "coreutils", "dash", "libc-bin", "libpython3-stdlib", "python3-minimal"),
    variant="extract",
    directories=("proc", "sys", "tmp", "dev"),
    empty_files=("etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf", "etc/localtime"),
)
_DEFINITION = """\
Bootstrap: localimage
From: {base}

%files
    {files}/entrypoint.sh /entrypoint.sh
    {files}/app /app

%runscript
    exec /entrypoint.sh python3 /app/pilot.py
"""
# One start of the pilot compiles, for the later ones, what it imports: no package's script has done so.
_BUILD = """
HOME=$1 apptainer build --sandbox "$1/image" "$1/pilot.def" || exit
chroot "$1/image" python3 -c 'import sys; sys.path.insert(0, "/app"); import pilot'
"""


def is_pilot_image_built() -> bool:
    """Whether the part of the image that needs mmdebstrap is in the cache already."""
    return cache.is_cached(_BASE_NAME, BASE.text)


def ensure_pilot_image(root: Path) -> Path:
    """The cached image, built now with the Apptainer of `root` if it is missing or its sources changed."""
    sources = [_HERE / "entrypoint.sh", _HERE / "pilot.py", *sorted(_htchirp().glob("*.py"))]
    recipe = "\n".join(
        [BASE.text, _DEFINITION, _BUILD, *(source.read_text(encoding="utf-8") for source in sources)]
    )
    return cache.cached("pilot", recipe, lambda image: _build(root, image))


def _build(root: Path, image: Path) -> None:
    base = ensure_tree(_BASE_NAME, BASE)
    # /tmp is what the machine and the root both see, so the result is made there and moved into the cache.
    with tempfile.TemporaryDirectory(prefix="tms-pilot-") as scratch:
        files = Path(scratch)
        shutil.copytree(_htchirp(), files / "app/htchirp", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(_HERE / "pilot.py", files / "app")
        shutil.copy(_HERE / "entrypoint.sh", files)
        definition = files / "pilot.def"
        definition.write_text(_DEFINITION.format(base="/opt/pilot", files=files), encoding="utf-8")
        build = ["sh", "-c", _BUILD, "build", scratch]
        done = subprocess.run(
            enter_command(root, {"/opt/pilot": base}, build), check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise BuildFailed(f"apptainer build failed:\n{done.stdout}{done.stderr}")
        subprocess.run(["cp", "-a", f"{files}/image/.", image], check=True)
        cache.remove_tree(files / "image")


def _htchirp() -> Path:
    spec = find_spec("htchirp")
    if spec is None or spec.origin is None:
        raise BuildFailed("the PyPI package htchirp is not installed: make .venv/.ready")
    return Path(spec.origin).parent
