"""A job gets the files that its user named, and none that is the service's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import SubmitRejected
from common.settings import Settings
from starter.input_files import MOST_FILES, input_files, reach


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A directory whose files everybody may read, for this test's time."""
    directory = Path(f"/tmp/{tmp_path.name}-{os.getpid()}")
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    (directory / "table.fits").write_text("photons")
    (directory / "table.fits").chmod(0o644)
    yield directory
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    directory.rmdir()


@pytest.fixture
def secret(data: Path) -> Path:
    """A file that is the service's own by its mode only."""
    path = data / "tms.env"
    path.write_text("EWMS_CLIENT_SECRET=canary")
    path.chmod(0o600)
    return path


def settings(**more: str) -> Settings:
    required = {
        "EWMS_ADDRESS": "https://wms.example.org",
        "EWMS_TOKEN_URL": "https://keycloak.example.org",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "secret",
        "JOB_EVENT_LOG_DIR": "/srv/tms",
    }
    return Settings.from_environment(required | more)


@pytest.mark.parametrize(
    "files",
    [
        ["relative/file"],
        ["/data/a,/etc/passwd"],
        ['/data/"a'],
        ["/data/*"],
        ["/data/dir/"],
        ["/data/x/ewms_htcondor_envfile.sh"],
        ["/data/x/ewms_htcondor_envfile.sh "],
        ["/a/same", "/b/same"],
        ["/srv/tms/ewms-taskforce-TF-1/ewms_htcondor_envfile.sh.bak"],
        ["/srv/other/../tms/2026-11-22.tms.jel"],
        ["/srv"],
        ["/data/$ENV(HOME)"],
        ["http://example.org/file"],
        [""],
        ["/"],
        ["/proc/self/environ"],
        ["/data/../proc/1/environ"],
        ["/dev/mem"],
        ["/sys/kernel/notes"],
        ["/data/a\nqueue"],
        [f"/data/{number}" for number in range(MOST_FILES + 1)],
    ],
)
def test_what_is_no_file_of_a_user_is_refused(files: list[str]) -> None:
    with pytest.raises(SubmitRejected, match="input_files"):
        input_files(files, settings())


def test_ordinary_files_pass_also_where_we_cannot_see_them(data: Path) -> None:
    files = ["/data/photon tables.fits", f"{data}/table.fits", "/home/user/config.json"]
    assert input_files(files, settings()) == files


def test_a_file_that_is_private_to_our_account_is_refused_whatever_its_path(secret: Path, data: Path) -> None:
    os.link(secret, data / "harmless")
    (data / "innocent").symlink_to(secret)
    for path in (secret, data / "harmless", data / "innocent"):
        with pytest.raises(SubmitRejected, match="private"):
            input_files([str(path)], settings())


def test_a_file_in_a_directory_that_is_private_to_our_account_is_refused(data: Path) -> None:
    (data / "table.fits").rename(data / "t")
    closed = data / "closed"
    closed.mkdir()
    (data / "t").rename(closed / "table.fits")
    closed.chmod(0o700)
    with pytest.raises(SubmitRejected, match="private"):
        input_files([f"{closed}/table.fits"], settings())


def test_directories_pipes_and_what_is_not_there_are_refused(data: Path) -> None:
    os.mkfifo(data / "pipe")
    for path in (data, data / "pipe", data / "missing"):
        with pytest.raises(SubmitRejected, match="input_files"):
            input_files([str(path)], settings())


def test_a_link_into_a_place_of_ours_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "innocent").symlink_to(tmp_path)
    for name in ("JOB_EVENT_LOG_DIR", "TMS_RUN_DIR", "TMS_PRIVATE_PATHS"):
        with pytest.raises(SubmitRejected, match="service's own"):
            input_files([f"{data}/innocent/file"], settings(**{name: str(tmp_path)}))


def test_what_the_operator_calls_private_is_refused_file_by_file(data: Path) -> None:
    private = settings(TMS_PRIVATE_PATHS=f"/etc/tms:{data}/table.fits")
    for path in (f"{data}/table.fits", "/etc/tms/production.env", f"{data}/../{data.name}/table.fits"):
        with pytest.raises(SubmitRejected, match="service's own"):
            input_files([path], private)


def test_hidden_files_of_our_account_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(data))
    for name in (".netrc", ".condor/tokens.d/token"):
        with pytest.raises(SubmitRejected, match="hidden"):
            input_files([f"{data}/{name}"], settings())
    assert input_files([f"{data}/table.fits"], settings())


def test_with_an_allow_list_nothing_else_passes_and_its_files_need_not_be_everybodys(
    data: Path, secret: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").touch()
    (data / "outwards").symlink_to(tmp_path / "elsewhere")
    only = settings(TMS_INPUT_FILES_ALLOWED=f"/cvmfs:{data}")
    assert input_files([str(secret)], only)
    for path in (tmp_path / "elsewhere", data / "outwards", data / "missing"):
        with pytest.raises(SubmitRejected, match="input_files"):
            input_files([str(path)], only)


def test_the_shadow_may_reach_the_real_files_and_the_jobs_directory_only(data: Path, tmp_path: Path) -> None:
    (data / "link").symlink_to(data / "table.fits")
    assert reach([f"{data}/link"], tmp_path) == f"{tmp_path}, {data}/table.fits*"
    assert reach([], tmp_path) == str(tmp_path)
    assert reach([f"{data}/table.fits", "/data/not/visible"], tmp_path) == ""
