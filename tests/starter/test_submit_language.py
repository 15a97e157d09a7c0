"""The gates against the real submit library: what passes comes out as it went in, the rest would do harm.

Each measured danger is shown twice: the harm, with the gate left out, and the refusal. If a harm no longer
occurs, the library has changed, and these tests fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import classad2
import htcondor2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.condor.description import read_description
from common.condor.expressions import parse_expression
from common.errors import SubmitRejected
from common.settings import Settings, Site
from common.wms.contract import NewTaskforce
from starter import gate
from starter.submit_description import describe

# Pieces of trouble, and any other text.
PIECES = st.sampled_from(
    [
        *("$", "(", ")", "$(", "$$(", "$ENV(", "$F(", "$(DOLLAR)", "\\", '"', "'", "#", "=", ":", "@=x", "x"),
        *(
            "\n",
            "\r",
            " ",
            "\t",
            "\0",
            "\x1b",
            "\x85",
            "\N{LINE SEPARATOR}",
            "\ud800",
            "é",
            "[",
            "]",
            "{",
            "}",
        ),
        *("queue", "include command : true", "if false", "log", "log = /y", "HOME", "//", "/*", "*/"),
        *("||", "&&", "true", "TARGET.", ","),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join)


@settings(max_examples=600, deadline=None)
@given(
    value=TEXT, place=st.sampled_from(["batch_name", "transfer_input_files", "+OriginalTime", "requirements"])
)
def test_what_passes_comes_out_as_it_went_in_and_changes_nothing_else(value: str, place: str) -> None:
    try:
        gate.plain_text("field", value)
    except SubmitRejected:
        assume(False)
    assume(value)  # an empty one is no command at all to `expand`
    description = {"log": "/before", place: value, "priority": "5"}
    submit = htcondor2.Submit(description)
    command = place.replace("+", "MY.")
    assert set(submit.keys()) == {"log", command, "priority"}
    assert submit.expand(command) == value
    assert (submit.expand("log"), submit.expand("priority")) == ("/before", "5")


@settings(max_examples=600, deadline=None)
@given(value=TEXT)
def test_the_edge_itself_lets_no_value_become_a_command(value: str) -> None:
    description = {"log": "/before", "batch_name": value, "priority": "5"}
    try:
        submit = read_description(description)
    except SubmitRejected:
        return
    assert {name: submit[name] for name in submit.keys()} == description  # noqa: SIM118


@settings(max_examples=600, deadline=None)
@given(wanted=TEXT)
def test_no_requirements_of_a_user_hold_where_the_mandatory_ones_do_not(wanted: str) -> None:
    try:
        joined = gate.requirements("HAS_IT =?= true", [Site("GLIDEIN_Site", "Bad")], wanted)
    except SubmitRejected:
        return
    expression = htcondor2.Submit({"requirements": joined}).expand("requirements")
    for machine in ("HAS_IT = undefined", "HAS_IT = false", 'HAS_IT = true; GLIDEIN_Site = "Bad"'):
        ad = classad2.ClassAd(f"[{machine}; Requirements = {expression}]")
        assert ad.eval("Requirements") is not True


# -- each danger, and its refusal ----------------------------------------------------------------------


def in_a_process_of_its_own(description: dict[str, str], tmp_path: Path) -> None:
    """Let the library read `description` where it may do what it likes."""
    program = f"import htcondor2; htcondor2.Submit({description!r})"
    environment = {"CONDOR_CONFIG": "/dev/null", "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True)


def test_a_line_break_would_run_a_command(tmp_path: Path) -> None:
    harm = f"1\ninclude command : touch {tmp_path}/owned"
    in_a_process_of_its_own({"log": harm}, tmp_path)
    assert (tmp_path / "owned").exists(), "the library has changed"
    (tmp_path / "owned").unlink()
    for refuse in (
        lambda: gate.plain_text("field", harm),
        lambda: gate.sealed({"log": harm}, frozenset(["log"])),
        lambda: read_description({"log": harm}),
    ):
        with pytest.raises(SubmitRejected):
            refuse()
    assert not (tmp_path / "owned").exists()


def test_a_line_break_in_a_command_would_run_one_too(tmp_path: Path) -> None:
    harm = f"log = 1\ninclude command : touch {tmp_path}/owned\nx"
    in_a_process_of_its_own({harm: "1"}, tmp_path)
    assert (tmp_path / "owned").exists(), "the library has changed"
    (tmp_path / "owned").unlink()
    with pytest.raises(SubmitRejected):
        gate.sealed({harm: "1"}, frozenset(["log"]))
    with pytest.raises(SubmitRejected):
        read_description({harm: "1"})
    assert not (tmp_path / "owned").exists()


def test_a_macro_would_show_the_services_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWMS_CLIENT_SECRET", "canary")
    harm = "$ENV(EWMS_CLIENT_SECRET)"
    assert htcondor2.Submit({"requirements": harm}).expand("requirements") == "canary", (
        "the library has changed"
    )
    for text in (harm, "$(log)", "$$(Name)", "$F(log)", "$(DOLLAR)(log)", "$RANDOM_CHOICE(1,2)", "a$(x)"):
        with pytest.raises(SubmitRejected, match="macro"):
            gate.requirements("true", [], text)
        with pytest.raises(SubmitRejected, match="macro"):
            gate.sealed({"log": text}, frozenset(["log"]))


def test_a_backslash_at_the_end_would_take_the_log_away() -> None:
    harm = {"batch_name": "x\\", "log": "/l"}
    assert "log" not in set(htcondor2.Submit(harm).keys()), "the library has changed"
    with pytest.raises(SubmitRejected):
        gate.plain_text("field", harm["batch_name"])
    with pytest.raises(SubmitRejected):
        gate.sealed(harm, frozenset(harm))
    with pytest.raises(SubmitRejected):
        read_description(harm)


def test_unbalanced_requirements_would_widen_the_mandatory_ones() -> None:
    wanted = "true) || (true"
    assert classad2.ExprTree(f"(HAS_IT =?= true) && ({wanted})").eval() is True
    with pytest.raises(SubmitRejected):
        gate.requirements("HAS_IT =?= true", [], wanted)


@pytest.mark.parametrize("many", [1000, 9_000])
@pytest.mark.parametrize("piece", ["(", "!", "-", "{", "[a=", "f(", "a?b:", "a.", "1+", "a&&", "a?:"])
def test_an_expression_of_any_depth_is_read_or_refused_and_ends_no_process(piece: str, many: int) -> None:
    close = {"(": ")", "{": "}", "[a=": "]", "f(": ")"}.get(piece, "")
    count = many // (len(piece) + len(close))
    wanted = piece * count + "1" + close * count
    program = f"""if True:
        from starter import gate
        try:
            gate.requirements("a", [], {wanted!r})
        except gate.SubmitRejected:
            pass
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["a" * 5, "x == 1 && y", '{ "a",\n"b" }', "[a = 1]", "ifThenElse(a, b, c)"])
def test_an_expression_is_one_line_and_means_what_it_meant(text: str) -> None:
    assert "\n" not in parse_expression(text)
    assert str(classad2.ExprTree(parse_expression(text))) == str(classad2.ExprTree(text))


# -- the whole description ------------------------------------------------------------------------------

OPERATOR = Settings.from_environment(
    {
        "EWMS_ADDRESS": "https://wms.example.org",
        "EWMS_TOKEN_URL": "https://keycloak.example.org",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "canary",
        "JOB_EVENT_LOG_DIR": "/scratch",
        "TMS_EXCLUDED_SITES": "Bad Site",
    }
)
USER = {
    "pilot_config": ("tag", "image_source"),
    "worker_config": ("condor_requirements", "worker_memory", "worker_disk"),
}


def taskforce(config: str, field: str, value: object) -> NewTaskforce:
    asked: dict[str, dict[str, object]] = {
        "pilot_config": {"tag": "latest", "image_source": "cvmfs", "input_files": []},
        "worker_config": {
            "do_transfer_worker_stdouterr": True,
            "max_worker_runtime": 60,
            "n_cores": 1,
            "priority": 99,
            "worker_disk": "1GB",
            "worker_memory": "512MB",
        },
    }
    asked[config][field] = value
    return NewTaskforce.model_validate({"taskforce_uuid": "TF-1", "n_workers": 7, **asked})


@settings(max_examples=500, deadline=None)
@given(
    place=st.sampled_from([(config, field) for config, fields in USER.items() for field in fields]),
    text=TEXT,
)
def test_every_text_of_a_user_makes_a_description_that_is_read_as_it_was_written(
    place: tuple[str, str], text: str
) -> None:
    try:
        description = describe(taskforce(*place, text), OPERATOR, Path("/scratch/d"), Path("/scratch/l"))
    except SubmitRejected:
        return
    submit = read_description(description)
    assert submit.expand("log") == "/scratch/l"
    assert submit.expand("initialdir") == "/scratch/d"
    assert submit.expand("MY.EWMSTaskforceUUID") == '"TF-1"'
    assert "HAS_SINGULARITY" in submit.expand("requirements")
    own_macros = {"output", "error", "priority"}
    for command, value in description.items():
        if command not in own_macros:
            assert submit.expand(command.replace("+", "MY.")) == value


@settings(max_examples=300, deadline=None)
@given(name=TEXT, folder=st.sampled_from(["/data/", "/data/sub dir/", "/"]))
def test_every_path_of_a_user_is_one_path_in_the_list_of_files(name: str, folder: str) -> None:
    try:
        description = describe(
            taskforce("pilot_config", "input_files", [folder + name]),
            OPERATOR,
            Path("/scratch/d"),
            Path("/scratch/l"),
        )
    except SubmitRejected:
        return
    listed = [
        path.strip() for path in read_description(description).expand("transfer_input_files").split(",")
    ]
    assert listed == [folder + name, "/scratch/d/ewms_htcondor_envfile.sh"]
