"""Debian roots with HTCondor and Apptainer, built by mmdebstrap and cached.

python -m tests.sandbox.root build [VERSION...]    build what is missing
python -m tests.sandbox.root clean                 remove everything from the cache
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.sandbox import cache, system
from tests.sandbox.account import pool_account
from tests.sandbox.build_steps import BuildSteps


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a root is made; a change makes another root, not another content of the same one."""

    suite: str
    packages: tuple[str, ...]
    variant: str = "apt"
    setup_hooks: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    empty_files: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The recipe as text, to distinguish it from others."""
        return json.dumps([asdict(self), _MMDEBSTRAP])


# sid is a moving target, and a mirror may lag: an expired index is good enough for a test pool.
# Neither documentation nor translations are needed, nor Apptainer's network plugins (65 MB).
_MMDEBSTRAP = (
    "mmdebstrap",
    "--mode=unshare",
    "--format=tar",
    '--aptopt=Acquire::Check-Valid-Until "false"',
    *(
        f"--dpkgopt=path-exclude={path}/*"
        for path in (
            "/usr/share/doc",
            "/usr/share/man",
            "/usr/share/info",
            "/usr/share/locale",
            "/usr/share/javascript",
            "/usr/lib/cni",
        )
    ),
)
# Where enter.sh and the pool bind what is theirs over the root, which is read-only.
_MOUNT_POINTS = ("cvmfs", "opt/pilot", "scratch", "usr/local/libexec/condor", "var/lib/condor/execute")
_BOUND_FILES = ("etc/hosts", "etc/resolv.conf", "etc/localtime")
_PACKAGES = ("apptainer", "minicondor", "mount", "procps")

# trixie has no Apptainer. sid's runs on trixie's libraries: apt may take that one package from there.
SID_BESIDE_TRIXIE = (
    """sed -n 's/ trixie / sid /p' "$1/etc/apt/sources.list" >"$1/etc/apt/sources.list.d/sid.list" """,
    r"""printf 'Package: %s\nPin: release n=sid\nPin-Priority: %s\n\n' '*' 50 apptainer 990 """
    """>"$1/etc/apt/preferences.d/apptainer" """,
)

# By the version of HTCondor that the suite had when this was written; `condor_version` reports the real one.
RECIPES = {
    "25.14.1": Recipe("sid", _PACKAGES, directories=_MOUNT_POINTS, empty_files=_BOUND_FILES),
    "23.9.6": Recipe(
        "trixie",
        _PACKAGES,
        setup_hooks=SID_BESIDE_TRIXIE,
        directories=_MOUNT_POINTS,
        empty_files=_BOUND_FILES,
    ),
}
DEFAULT_VERSION = "25.14.1"


class BuildFailed(Exception):
    """A root or an image could not be built; the text holds the tool's own last words."""


def is_built(version: str) -> bool:
    """Whether the root is in the cache already."""
    recipe = RECIPES[version]
    return cache.is_cached(recipe.suite, recipe.text)


def ensure_root(version: str) -> Path:
    """The cached root for a version named in RECIPES, built now (half a minute) when it is missing."""
    recipe = RECIPES[version]
    return ensure_tree(recipe.suite, recipe)


def ensure_tree(name: str, recipe: Recipe) -> Path:
    """The cached root made by `recipe`, built now when it is missing."""
    return cache.cached(name, recipe.text, lambda tree: _build(recipe, tree))


def condor_version(root: Path) -> str:
    """The version of HTCondor installed in a root, such as "25.14.1"."""
    for paragraph in (root / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if fields.get("Package") == "condor":
            return fields["Version"].partition("+")[0].partition("-")[0]
    raise BuildFailed(f"no HTCondor in {root}")


def _build(recipe: Recipe, tree: Path) -> None:
    print(f"Building a Debian {recipe.suite} root with {', '.join(recipe.packages)} ...", file=sys.stderr)
    hooks = [f"--setup-hook={hook}" for hook in recipe.setup_hooks]
    options = [*_MMDEBSTRAP, f"--variant={recipe.variant}", f"--include={','.join(recipe.packages)}", *hooks]
    # Through a tar archive: what tar unpacks belongs to the ordinary user who asked for it. mmdebstrap itself
    # would leave files of that user's subordinate ids, which need a public home and are hard to remove.
    with tree.with_name(f"{tree.name}.log").open("w+", encoding="utf-8") as log:
        maker = subprocess.Popen([*options, recipe.suite, "-"], stdout=subprocess.PIPE, stderr=log)
        # A builder that is killed gives up its lock: its tar must not go on beside that of the next one.
        unpack = ["tar", "--extract", "--numeric-owner", "--exclude=./dev/*", f"--directory={tree}"]
        unpacker = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "--", *unpack], stdin=maker.stdout, stderr=log
        )
        unpacked = BuildSteps(Path(log.name), sys.stderr).wait_for(unpacker)
        if maker.wait() != 0 or unpacked != 0:
            log.seek(0)
            raise BuildFailed("".join(["mmdebstrap failed:\n", *log.readlines()[-20:]]))
    Path(log.name).unlink()
    for directory in recipe.directories:
        (tree / directory).mkdir(parents=True, exist_ok=True)
    for file in recipe.empty_files:
        (tree / file).unlink(missing_ok=True)
        (tree / file).touch()


def main() -> None:
    """The command line: see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.root")
    parser.add_argument("action", choices=["build", "clean"])
    parser.add_argument(
        "versions", nargs="*", metavar="VERSION", help=f"of {', '.join(RECIPES)}; default: all"
    )
    arguments = parser.parse_args()
    if arguments.action == "clean":
        cache.clean()
        return
    versions = arguments.versions or list(RECIPES)
    if unknown := set(versions) - set(RECIPES):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are: {', '.join(RECIPES)}")
    try:
        system.require_machine(pool_account(), building=not all(map(is_built, versions)))
        for version in versions:
            root = ensure_root(version)
            print(f"{root} has HTCondor {condor_version(root)}")
    except (BuildFailed, system.SandboxUnavailable) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
