"""The service's image, built by podman as for a release, and the Apptainer image made of it; both cached.

A Debian root made by mmdebstrap stands in for the Containerfile's base, which is one, too: where the tests
run, no image can be pulled. The build gets the machine's own certificates and index, if it has such.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox import cache
from tests.sandbox.entry import enter_command
from tests.sandbox.pool import Pool
from tests.sandbox.root import BuildFailed, Recipe, ensure_tree

TOP = Path(__file__).parents[2]
_BASE = Recipe("trixie", ("base-files",), variant="minbase")
_SOURCES = (
    "Containerfile",
    ".containerignore",
    "deploy/build-image",
    "deploy/tms.py",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements/build.lock",
    "requirements/run.lock",
    "supervisord.conf",
)
_PACKAGES = ("common", "starter", "stopper", "watcher")
_LABEL = "ewms-tms.test=image"
_KEPT = 86_400  # seconds
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Image:
    """One build: its name in podman's store, its archive, and the sandbox directory for Apptainer."""

    name: str
    archive: Path
    sandbox: Path

    def publish(self, pool: Pool) -> str:
        """Put the sandbox below an access point's /cvmfs, and return where."""
        place = pool.layout.cvmfs / "containers/ewms-tms:latest"
        place.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", self.sandbox, place], check=True)
        return "/cvmfs/containers/ewms-tms:latest"


def ensure_image(root: Path) -> Image:
    """The image of this checkout, built now when a source of it has changed; `root` has Apptainer."""
    files = [TOP / name for name in _SOURCES]
    files += [path for package in _PACKAGES for path in sorted((TOP / package).rglob("*.py"))]
    own = Path(__file__).read_text(encoding="utf-8")
    recipe = "\n".join([own, *(f"{file}\n{file.read_text(encoding='utf-8')}" for file in files)])
    name = f"localhost/ewms-tms-test:{_digest(recipe)}"
    tree = cache.cached("container", recipe, lambda tree: _build(root, name, tree))
    if subprocess.run(["podman", "image", "exists", name], check=False).returncode != 0:
        _run(["podman", "load", "--quiet", "--input", str(tree / "image.tar")])
    return Image(name, tree / "image.tar", tree / "sandbox")


def _build(root: Path, name: str, tree: Path) -> None:
    print("Building the service's image ...", file=sys.stderr)
    _remove_old_ones()
    base = _ensure_base()
    with tempfile.TemporaryDirectory(prefix="tms-image-", dir="/tmp") as scratch:
        options = [f"--build-arg=BASE={base}", f"--tag={name}", f"--label={_LABEL}", "--isolation=chroot"]
        _run([str(TOP / "deploy/build-image"), *options, *_machine_options(Path(scratch))])
        archive, sandbox = Path(scratch) / "image.tar", Path(scratch) / "sandbox"
        _run(["podman", "save", "--quiet", "--format=docker-archive", f"--output={archive}", name])
        # /tmp is what the machine and the root both see.
        convert = ["apptainer", "build", "--sandbox", str(sandbox), f"docker-archive:{archive}"]
        _run(enter_command(root, {}, ["env", f"HOME={scratch}", *convert]))
        _run(["cp", "-a", str(archive), str(sandbox), str(tree)])
        cache.remove_tree(sandbox)


def _remove_old_ones() -> None:
    """Every change of the code makes another image: those of yesterday are hardly asked for again."""
    cache.clean("container-", age=_KEPT)
    old = [
        "podman",
        "image",
        "prune",
        "--all",
        "--force",
        f"--filter=until={_KEPT}s",
        "--filter=label=" + _LABEL,
    ]
    subprocess.run(old, check=False, capture_output=True)


def _ensure_base() -> str:
    name = f"localhost/ewms-tms-base:{_digest(_BASE.text)}"
    if subprocess.run(["podman", "image", "exists", name], check=False).returncode != 0:
        tree = ensure_tree("image-base", _BASE)
        pack = ["tar", "--create", "--numeric-owner", f"--directory={tree}", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packer:
            _run(["podman", "import", "--quiet", "-", name], stdin=packer)
    return name


def _machine_options(scratch: Path) -> list[str]:
    """Lets pip work in the build as on this machine; nothing of it gets into the image."""
    options, lines = [], ["[global]"]
    if _CERTIFICATES.exists():
        # Debian's package of certificates, installed in the build, takes over what it finds there.
        options.append(f"--volume={_CERTIFICATES}:/usr/local/share/ca-certificates/machine.crt:ro")
        lines.append(f"cert = {_CERTIFICATES}")
    get = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    if index := subprocess.run(get, check=False, capture_output=True, text=True).stdout.strip():
        lines.append(f"index-url = {index}")
    (scratch / "pip.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return [*options, f"--volume={scratch}/pip.conf:/etc/pip.conf:ro"]


def _run(command: list[str], stdin: subprocess.Popen[bytes] | None = None) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=stdin.stdout if stdin else None
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise BuildFailed(f"{' '.join(command[:3])} failed:\n{last}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
