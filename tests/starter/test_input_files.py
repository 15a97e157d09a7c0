"""A job gets the files that its user named, and none that is the service's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import ScratchUnavailable, SubmitRejected
from common.settings import Settings
from starter.input_files import MOST_FILES, InputFiles, copy_files, input_files


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
    assert input_files(files, settings()) == InputFiles((files[1],), (files[0], files[2]))


def test_files_that_we_cannot_see_are_refused_where_the_operator_wants_that(data: Path) -> None:
    careful = settings(TMS_REQUIRE_VISIBLE_INPUT_FILES="true")
    assert input_files([f"{data}/table.fits"], careful).seen
    with pytest.raises(SubmitRejected, match="that this service can see"):
        input_files(["/data/not/visible"], careful)


@pytest.mark.parametrize("path", ["/not/visible/../x", "/not//visible", "/not/./visible"])
def test_a_path_that_we_cannot_see_is_the_path_that_it_names(path: str) -> None:
    with pytest.raises(SubmitRejected, match="plain paths"):
        input_files([path], settings())


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


def test_another_users_file_is_private_unless_everybody_may_read_it(data: Path) -> None:
    (data / "table.fits").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(data / "table.fits", 4711, os.getegid())
    with pytest.raises(SubmitRejected, match="private"):
        input_files([f"{data}/table.fits"], settings())


@pytest.mark.parametrize(
    "way", ["/proc/self/root", "/proc/self/cwd", "/proc/1/root", "/dev/fd/0/..", "/run/.."]
)
def test_no_way_leads_through_the_kernels_own(data: Path, way: str) -> None:
    around = data / "around"
    around.symlink_to(way)
    for path in (f"{way}{data}/table.fits", f"{around}{data}/table.fits"):
        with pytest.raises(SubmitRejected, match="input_files"):
            input_files([path], settings())
    around.unlink()


def test_a_place_of_ours_is_known_however_it_is_mounted_or_linked(data: Path, tmp_path: Path) -> None:
    os.link(data / "table.fits", data / "same")
    private = settings(TMS_PRIVATE_PATHS=str(data / "same"))
    with pytest.raises(SubmitRejected, match="service's own"):
        input_files([f"{data}/table.fits"], private)


def test_links_are_followed_by_their_text_and_not_for_ever(data: Path) -> None:
    (data / "deep").mkdir()
    (data / "deep/back").symlink_to("../table.fits")
    (data / "abs").symlink_to(data / "deep/back")
    (data / "loop").symlink_to("loop")
    assert input_files([f"{data}/abs"], settings()).seen == (f"{data}/abs",)
    with pytest.raises(SubmitRejected, match="too many links"):
        input_files([f"{data}/loop"], settings())
    with pytest.raises(SubmitRejected, match="no directory"):
        input_files([f"{data}/table.fits/x"], settings())


def test_the_shadow_may_reach_the_jobs_directory_and_the_paths_that_we_cannot_see(data: Path) -> None:
    files = InputFiles((f"{data}/table.fits",), ("/data/not/visible",))
    assert files.reach(data) == f"{data}, /data/not/visible*"
    assert files.to_transfer(data) == [f"{data}/inputs/table.fits", "/data/not/visible"]
    assert InputFiles().reach(data) == str(data)


def copied(path: Path, directory: Path, settings: Settings) -> Path:
    described = ", ".join([*input_files([str(path)], settings).to_transfer(directory), f"{directory}/x.sh"])
    copy_files([str(path)], described, settings, directory, lambda: True)
    return directory / "inputs" / path.name


def test_a_file_is_copied_with_its_mode_and_again_after_a_kill(data: Path, tmp_path: Path) -> None:
    script = data / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for content in ("#!/bin/sh\n", "#!/bin/sh\nls\n"):
        script.write_text(content)
        copy = copied(script, tmp_path, settings())
        assert copy.read_text() == content
        assert copy.stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "inputs").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "inputs").iterdir()) == ["run.sh"]


def test_what_cannot_be_seen_is_not_copied(tmp_path: Path) -> None:
    copy_files(["/not/visible"], "/not/visible, /x.sh", settings(), tmp_path, lambda: True)
    assert not list(tmp_path.iterdir())


def test_files_are_bounded_together_also_one_that_grows(data: Path, tmp_path: Path) -> None:
    small = settings(TMS_INPUT_FILES_SIZE="10")
    assert copied(data / "table.fits", tmp_path, small).read_text() == "photons"
    (data / "other").write_text("more")
    (data / "other").chmod(0o644)
    with pytest.raises(SubmitRejected, match="TMS_INPUT_FILES_SIZE"):
        input_files([f"{data}/table.fits", f"{data}/other"], small)
    described = f"{tmp_path}/inputs/table.fits"
    (data / "table.fits").write_text("photons and more")
    with pytest.raises(SubmitRejected, match="TMS_INPUT_FILES_SIZE"):
        copy_files([f"{data}/table.fits"], described, small, tmp_path, lambda: True)


def test_files_without_room_are_refused_and_nothing_of_them_stays(data: Path, tmp_path: Path) -> None:
    described, path = f"{tmp_path}/inputs/table.fits", f"{data}/table.fits"
    crowded = settings(TMS_LEAST_FREE_SPACE="1024 PB")
    with pytest.raises(SubmitRejected, match="no room"):
        copy_files([path], described, crowded, tmp_path, lambda: True)
    with pytest.raises(ScratchUnavailable, match="stop"):
        copy_files([path], described, settings(), tmp_path, lambda: False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", ["file", "link", "directory"])
def test_what_an_earlier_start_left_in_the_place_of_the_copies_goes(
    data: Path, tmp_path: Path, left: str
) -> None:
    inputs = tmp_path / "inputs"
    if left == "file":
        inputs.write_text("from a job")
    elif left == "link":
        inputs.symlink_to(data)
    else:
        (inputs / "table.fits").mkdir(parents=True)
    assert copied(data / "table.fits", tmp_path, settings()).read_text() == "photons"
    assert (data / "table.fits").read_text() == "photons"
    assert not inputs.is_symlink()


def test_a_link_that_flips_brings_the_users_file_or_none(data: Path, secret: Path, tmp_path: Path) -> None:
    """Of every order of look, exchange and open, none brings the private file."""
    link, other = data / "link", data / "other"
    flips = 0
    outcomes = set()

    def flip() -> None:
        nonlocal flips
        flips += 1
        other.symlink_to(secret if flips % 2 else data / "table.fits")
        other.rename(link)

    def step(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_NOFOLLOW and dir_fd is not None and (flips + opens.pop()) % 3 == 0:
            flip()
        return real_open(name, flags, mode, dir_fd=dir_fd)

    real_open = os.open
    link.symlink_to(data / "table.fits")
    for start in range(40):
        opens = [(start >> (at % 5)) & 3 for at in range(200)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "open", step)
            try:
                copy = copied(link, tmp_path, settings())
            except SubmitRejected:
                outcomes.add("refused")
            else:
                outcomes.add(copy.read_text())
    assert outcomes == {"refused", "photons"}
