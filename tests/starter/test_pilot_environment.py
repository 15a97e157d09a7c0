"""What goes into the pilot's environment comes out of it, and nothing else happens."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import SubmitRejected
from common.wms.contract import Offer
from starter.pilot_environment import pilot_environment, render, why_silent


def offer(
    environment: dict[str, Any] | None = None,
    task: dict[str, Any] | None = None,
    queues: tuple[str, ...] = ("q1",),
) -> Offer:
    return Offer.model_validate(
        {
            "taskforce": {
                "taskforce_uuid": "TF-1",
                "n_workers": 1,
                "pilot_config": {
                    "tag": "latest",
                    "image_source": "cvmfs",
                    "environment": environment or {},
                    "input_files": [],
                },
                "worker_config": {
                    "do_transfer_worker_stdouterr": False,
                    "max_worker_runtime": 1,
                    "n_cores": 1,
                    "priority": 1,
                    "worker_disk": 1,
                    "worker_memory": 1,
                    "condor_requirements": "",
                },
            },
            "task_directive": {
                "task_image": "/cvmfs/image",
                "task_args": "cp {{INFILE}} {{OUTFILE}}",
                "input_queues": list(queues),
                "output_queues": ["out"],
            }
            | (task or {}),
            "mqprofiles": [
                {
                    "mqid": mqid,
                    "auth_token": f"token-{mqid}",
                    "broker_type": "rabbitmq",
                    "broker_address": f"host/{mqid}",
                }
                for mqid in ("q1", "q2", "out")
            ],
        }
    )


def sourced(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a shell that has sourced the file."""
    file = tmp_path / "env.sh"
    file.write_text(render(environment))
    command = ["bash", "--norc", "-c", f". {file} && env -0"]
    result = subprocess.run(command, env={}, cwd=tmp_path, capture_output=True, check=True)
    assert result.stderr == b""
    return dict(entry.split("=", 1) for entry in result.stdout.decode().split("\0") if entry)


def test_the_pilot_knows_its_task_and_queues() -> None:
    environment = pilot_environment(offer(), {})
    assert environment == {
        "EWMS_PILOT_HTCHIRP": "True",
        "EWMS_PILOT_HTCHIRP_DEST": "JOB_EVENT_LOG",
        "EWMS_PILOT_TASK_IMAGE": "/cvmfs/image",
        "EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}",
        "EWMS_PILOT_INIT_IMAGE": "",
        "EWMS_PILOT_INIT_ARGS": "",
        "EWMS_PILOT_QUEUE_INCOMING": "q1",
        "EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN": "token-q1",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_TYPE": "rabbitmq",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "host/q1",
        "EWMS_PILOT_QUEUE_OUTGOING": "out",
        "EWMS_PILOT_QUEUE_OUTGOING_AUTH_TOKEN": "token-out",
        "EWMS_PILOT_QUEUE_OUTGOING_BROKER_TYPE": "rabbitmq",
        "EWMS_PILOT_QUEUE_OUTGOING_BROKER_ADDRESS": "host/out",
    }


def test_several_queues_and_list_values_are_joined_with_semicolons() -> None:
    environment = pilot_environment(offer({"EWMS_PILOT_OKAY_ERRORS": ["A", "B"]}, queues=("q2", "q1")), {})
    assert environment["EWMS_PILOT_OKAY_ERRORS"] == "A;B"
    assert environment["EWMS_PILOT_QUEUE_INCOMING"] == "q2;q1"
    assert environment["EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN"] == "token-q2;token-q1"


def test_the_service_beats_the_user_who_beats_the_operator_who_beats_the_defaults() -> None:
    names = ["EWMS_PILOT_HTCHIRP", "EWMS_PILOT_CL_LOG", "EWMS_PILOT_QUEUE_INCOMING", "_EWMS_PILOT_X"]
    operator = dict.fromkeys(names, "operator") | {"EWMS_PILOT_TASK_IMAGE": "operator"}
    user = {"EWMS_PILOT_CL_LOG": "user", "EWMS_PILOT_QUEUE_INCOMING": "user"}
    environment = pilot_environment(offer(user), operator)
    expected = {
        "EWMS_PILOT_HTCHIRP": "operator",
        "EWMS_PILOT_CL_LOG": "user",
        "EWMS_PILOT_QUEUE_INCOMING": "q1",
        "EWMS_PILOT_TASK_IMAGE": "/cvmfs/image",
        "_EWMS_PILOT_X": "operator",
    }
    assert {name: environment[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("from_user", "hint"),
    [
        ({}, ""),
        ({"EWMS_PILOT_HTCHIRP": "yes", "EWMS_PILOT_HTCHIRP_DEST": " job_event_log"}, ""),
        ({"EWMS_PILOT_HTCHIRP": "False"}, "EWMS_PILOT_HTCHIRP switches"),
        ({"EWMS_PILOT_HTCHIRP": 0}, "EWMS_PILOT_HTCHIRP switches"),
        ({"EWMS_PILOT_HTCHIRP_DEST": "JOB_ATTR"}, "EWMS_PILOT_HTCHIRP_DEST sends"),
    ],
)
def test_a_user_who_switches_chirps_off_leaves_a_hint(from_user: dict[str, Any], hint: str) -> None:
    silent = why_silent(pilot_environment(offer(from_user), {}))
    assert silent.startswith(hint)
    assert bool(silent) == bool(hint)


def test_task_environments_are_json_and_absent_when_empty() -> None:
    environment = pilot_environment(offer(task={"task_env": {"A": "ü"}, "init_env": {}}), {})
    assert json.loads(environment["EWMS_PILOT_TASK_ENV_JSON"]) == {"A": "ü"}
    assert "EWMS_PILOT_INIT_ENV_JSON" not in environment


@pytest.mark.parametrize("value", ["", " ", "None"])
def test_numbers_that_are_not_set_are_absent_as_an_empty_one_kills_the_pilot(value: str) -> None:
    environment = pilot_environment(offer({"EWMS_PILOT_TASK_TIMEOUT": value, "EWMS_PILOT_CL_LOG": value}), {})
    assert "EWMS_PILOT_TASK_TIMEOUT" not in environment
    assert environment["EWMS_PILOT_CL_LOG"] == value


@pytest.mark.parametrize("name", ["a-b", "X;touch owned", "1A", "", "A B", "A=B", "é", "A\n"])
def test_a_name_that_no_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(SubmitRejected, match="environment"):
        pilot_environment(offer({name: "x"}), {})


@pytest.mark.parametrize("value", ["a\0b", "half a pair \ud800"])
def test_a_value_that_no_environment_holds_is_refused(value: str) -> None:
    with pytest.raises(SubmitRejected, match="EVIL"):
        pilot_environment(offer({"EVIL": value}), {})


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_queue_that_needs_no_token_type_or_address_has_empty_ones(nothing: str | None) -> None:
    """The pilot takes an empty text, and would take "None" for a name."""
    queues = offer().model_dump(mode="json")
    queues["mqprofiles"] = [
        {"mqid": mqid, "auth_token": nothing, "broker_type": nothing, "broker_address": nothing}
        for mqid in ("q1", "out")
    ]
    environment = pilot_environment(Offer.model_validate(queues), {})
    for way in ("INCOMING", "OUTGOING"):
        for what in ("AUTH_TOKEN", "BROKER_TYPE", "BROKER_ADDRESS"):
            assert environment[f"EWMS_PILOT_QUEUE_{way}_{what}"] == ""


def test_a_queue_without_access_is_refused() -> None:
    with pytest.raises(SubmitRejected, match="q9"):
        pilot_environment(offer(queues=("q9",)), {})


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "two words",
        "line\nbreak",
        "$(touch owned)",
        "`touch owned`",
        "'; touch owned; '",
        '"',
        "\\",
        "ü\t",
    ],
)
def test_a_sourced_value_is_the_value_byte_for_byte_and_runs_nothing(tmp_path: Path, value: str) -> None:
    assert sourced(tmp_path, {"EWMS_PILOT_X": value})["EWMS_PILOT_X"] == value
    assert not (tmp_path / "owned").exists()


def shells_own_names(tmp_path: Path) -> set[str]:
    """What bash calls its variables, by itself and in its manual page where that is installed."""
    listed = subprocess.run(["bash", "--norc", "-c", "compgen -v"], env={}, capture_output=True, text=True)
    documented = (
        "BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND "
        "BASH_COMPAT BASH_ENV BASH_EXECUTION_STRING BASH_LINENO BASH_LOADABLES_PATH BASH_REMATCH "
        "BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO BASH_VERSION BASH_XTRACEFD CDPATH CHILD_MAX COLUMNS "
        "COMP_CWORD COMP_KEY COMP_LINE COMP_POINT COMP_TYPE COMP_WORDBREAKS COMP_WORDS COMPREPLY COPROC "
        "DIRSTACK EMACS ENV EPOCHREALTIME EPOCHSECONDS EUID EXECIGNORE FCEDIT FIGNORE FUNCNAME FUNCNEST "
        "GLOBIGNORE GROUPS HISTCMD HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT "
        "HOME HOSTFILE HOSTNAME HOSTTYPE IFS IGNOREEOF INPUTRC INSIDE_EMACS LANG LC_ALL LC_COLLATE "
        "LC_CTYPE LC_MESSAGES LC_NUMERIC LC_TIME LD_PRELOAD LINENO LINES MACHTYPE MAIL MAILCHECK "
        "MAILPATH MAPFILE OLDPWD OPTARG OPTERR OPTIND OSTYPE PATH PIPESTATUS POSIXLY_CORRECT PPID "
        "PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1 PS2 PS3 PS4 PWD RANDOM READLINE_LINE READLINE_POINT REPLY "
        "SECONDS SHELL SHELLOPTS SHLVL SRANDOM TIMEFORMAT TMOUT TMPDIR UID _ "
    )
    return {*listed.stdout.split(), *documented.split()}


def test_a_variable_of_the_shells_own_is_refused_or_only_a_value(tmp_path: Path) -> None:
    harm = "a[$(touch owned)]"
    for name in sorted(shells_own_names(tmp_path)):
        try:
            pilot_environment(offer({name: harm}), {})
        except SubmitRejected:
            continue
        file = tmp_path / "env.sh"
        file.write_text(render({name: harm}) + render({"LAST": "'"}))
        script = f". {file}; export -p"
        shown = subprocess.run(
            ["/bin/bash", "--norc", "-c", script], env={}, cwd=tmp_path, capture_output=True
        )
        assert f' {name}="a[\\$(touch owned)]"' in shown.stdout.decode(), name
        assert ' LAST="\'"' in shown.stdout.decode(), name
        assert not (tmp_path / "owned").exists(), name


def test_without_that_refusal_a_command_would_run(tmp_path: Path) -> None:
    file = tmp_path / "env.sh"
    file.write_text(render({"OPTIND": "a[$(touch owned)]"}))
    subprocess.run(["/bin/bash", "--norc", "-c", f". {file}"], env={}, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "owned").exists(), "bash has changed: OPTIND is only a value now"


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60) | st.text(
    "'\"\\\\`$(){}[];&|<>!#~*?\n\r\t =a-", max_size=40
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(VALUES, min_size=1, max_size=40))
def test_any_values_come_out_byte_for_byte_and_run_nothing(tmp_path: Path, values: list[str]) -> None:
    before = set(tmp_path.iterdir()) | {tmp_path / "env.sh"}
    environment = {f"V{number}": value for number, value in enumerate(values)}
    out = sourced(tmp_path, environment)
    assert {name: out[name] for name in environment} == environment
    assert set(tmp_path.iterdir()) == before


def test_more_than_a_program_can_be_started_with_is_refused() -> None:
    longest = "x" * (128 * 1024 - len("A=") - 1)
    started = subprocess.run(["/bin/true"], env={"A": longest})
    assert started.returncode == 0
    with pytest.raises(OSError, match="too long"):
        subprocess.run(["/bin/true"], env={"A": longest + "x"})
    assert pilot_environment(offer({"A": longest}), {})["A"] == longest
    for user in ({"A": longest + "x"}, {f"A{number}": "x" * 100_000 for number in range(11)}):
        with pytest.raises(SubmitRejected, match="environment"):
            pilot_environment(offer(user), {})


def test_the_file_is_sorted_and_traces_nothing() -> None:
    text = render({"B": "2", "A": "1"})
    assert text == "export A=1\nexport B=2\n"
