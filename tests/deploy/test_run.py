"""The runner gives the container the instance's settings, scratch directory, and HTCondor's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY, Operator


def shown(operator: Operator, *arguments: str) -> dict[str, str]:
    """The environment that the container gets."""
    done = operator.run(operator.programs / "run", "prod", *arguments)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_container_gets_the_settings_and_the_directories_it_needs(installed: Operator) -> None:
    environment = shown(installed)
    scratch = f"{installed.home}/scratch"
    assert environment["EWMS_CLIENT_SECRET"] == "swordfish"
    assert environment["PWD"] == scratch
    call = installed.calls("apptainer")[0]
    assert f"--mount type=bind,source={scratch},dst={scratch} " in call
    assert "swordfish" not in call  # everybody can read a command line
    assert call.endswith(f"{installed.home}/cvmfs/ewms-tms:v1")


def test_the_container_gets_the_directory_for_metrics_if_it_is_there(installed: Operator) -> None:
    metrics = installed.home / "textfile"
    with installed.settings.open("a") as settings:
        settings.write(f"TMS_METRICS_DIR={metrics}\n")
    assert shown(installed)["TMS_METRICS_DIR"] == str(metrics)
    assert "textfile" not in installed.calls("apptainer")[0]
    metrics.mkdir()
    shown(installed)
    assert f"--mount type=bind,source={metrics},dst={metrics} " in installed.calls("apptainer")[1]


def test_the_container_sees_where_the_schedd_is_without_a_collector(installed: Operator) -> None:
    spool = installed.home / "spool"
    shown(installed)
    assert "spool" not in installed.calls("apptainer")[0]
    spool.mkdir()
    shown(installed)
    # The directory, because the schedd replaces the file when it starts.
    assert f"--mount type=bind,source={spool},dst={spool},ro " in installed.calls("apptainer")[1]


def test_a_directory_that_the_container_could_not_see_either_is_no_reason_not_to_start(
    installed: Operator, tmp_path: Path
) -> None:
    (installed.home / "spool").symlink_to(tmp_path / "nowhere")
    shown(installed)
    (installed.home / "spool").unlink()
    (installed.home / "spool").touch()
    shown(installed)
    assert not any("spool" in call for call in installed.calls("apptainer"))


def test_arguments_reach_the_program_as_they_are(installed: Operator) -> None:
    shown(installed, "supervisorctl", "tail -f", "watcher")
    assert installed.calls("apptainer")[0].endswith("v1 supervisorctl tail -f watcher")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=plain", "plain"),
        ("  X=with blanks inside  ", "with blanks inside"),
        ("X= after a blank", "after a blank"),
        ('X="double quoted "', "double quoted "),
        ("X='GLIDEIN_Site =!= \"A\"'", 'GLIDEIN_Site =!= "A"'),
        ('X=Memory > 1 && Arch == "X86_64"', 'Memory > 1 && Arch == "X86_64"'),
        ("X=$HOME `id` $(id) ;#", "$HOME `id` $(id) ;#"),
        ("X=a=b", "a=b"),
        ("X=", ""),
        ('X=""', ""),
    ],
)
def test_settings_are_read_as_systemd_reads_them(installed: Operator, line: str, value: str) -> None:
    with installed.settings.open("a") as settings:
        settings.write(f"# a comment\n\n; another\n{line}")  # and no newline at the end
    assert shown(installed)["X"] == value


@pytest.mark.parametrize(
    "line", ["export X=1", "X", "a b=1", 'X="', 'X="a" "b"', "X='it's'", r"X=a\b", "X=a\\", '"X"=1']
)
def test_a_line_that_systemd_reads_otherwise_is_refused_without_its_value(
    installed: Operator, line: str
) -> None:
    with installed.settings.open("a") as settings:
        settings.write(line + "\n")
    done = installed.run(installed.programs / "run", "prod")
    assert done.returncode == 78
    assert "prod.env: " in done.stderr
    assert installed.calls("apptainer") == []


def test_missing_parts_are_named(operator: Operator, installed: Operator) -> None:
    run = DEPLOY / "run"
    assert "which instance" in operator.run(run).stderr
    assert "cannot read" in operator.run(run, "dev").stderr
    installed.link.unlink()
    assert "there is no image" in installed.run(run, "prod").stderr
    installed.settings.write_text("EWMS_CLIENT_SECRET=swordfish\n")
    done = installed.run(run, "prod")
    assert done.returncode == 78
    assert "JOB_EVENT_LOG_DIR must be" in done.stderr
