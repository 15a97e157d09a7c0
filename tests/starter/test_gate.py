"""No text from the WMS is more than text to the submit language."""

from __future__ import annotations

import pytest

from common.errors import SubmitRejected
from common.settings import Site
from starter import gate


@pytest.mark.parametrize(
    "text",
    [
        "1\ninclude command : touch /tmp/owned",
        "1\r",
        "a\0b",
        "tab\there",
        "escape \x1b[2J",
        "line\N{LINE SEPARATOR}separator",
        "swallows the next line\\",
        " a blank before",
        "a blank behind ",
        "$(Cmd)",
        "$$(Name)",
        "$$([Memory])",
        "$ENV(EWMS_CLIENT_SECRET)",
        "$F(log)",
        "$INT(1)",
        "$RANDOM_CHOICE(a,b)",
        "half a pair \ud800",
        "x" * 10_001,
    ],
)
def test_what_the_submit_language_would_act_on_is_refused(text: str) -> None:
    with pytest.raises(SubmitRejected, match="a_field"):
        gate.plain_text("a_field", text)


@pytest.mark.parametrize("text", ["", "plain", "a$b", "$5", "100 $", "a # b", 'regexp("x$", Name)', "größer"])
def test_what_is_literal_to_the_submit_language_passes_unchanged(text: str) -> None:
    assert gate.plain_text("a_field", text) == text


@pytest.mark.parametrize(
    "wanted", ["true) || (true", "a b", "(true", "1 +", ")", 'x == "y', "true // x", "true /* x"]
)
def test_requirements_that_are_not_one_expression_are_refused(wanted: str) -> None:
    with pytest.raises(SubmitRejected, match="condor_requirements"):
        gate.requirements("HasSingularity", [], wanted)


SITES = [Site("GLIDEIN_Site", "Bad Site"), Site("OSG_SITE_NAME", "Other")]


def test_requirements_are_joined_so_that_the_user_can_only_narrow_them() -> None:
    joined = gate.requirements("A || B", SITES, "C || D")
    excluded = '(GLIDEIN_Site =!= "Bad Site") && (OSG_SITE_NAME =!= "Other")'
    assert joined == f"(A || B) && {excluded} && (C || D)"


@pytest.mark.parametrize(
    "wanted",
    [r'x == "a\\"', r'x == "a\"', r'x == "\\" + ") || (true) || (" + "\\"', r'x == "a\" || (true) || "\"'],
)
def test_quoting_that_submit_language_and_classads_read_differently_is_refused(wanted: str) -> None:
    with pytest.raises(SubmitRejected, match="condor_requirements"):
        gate.requirements("A", [], wanted)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (r'regexp("\.edu$", Machine)', r'regexp("\.edu$",Machine)'),
        (r'regexp("^\d+\\?", Machine)', r'regexp("^\d+\\?",Machine)'),
        (r'x == "a \"b\" c"', r'x == "a \"b\" c"'),
        ("'a b' == 1", "'a b' == 1"),
        ("""x == "it's" """, """x == "it's\""""),
        ('x == "Zürich"', 'x == "Zürich"'),
        (r'x == "Zürich\d" && y == "東京"', r'x == "Zürich\d" && y == "東京"'),
    ],
)
def test_quoting_that_both_read_alike_stays_as_the_user_wrote_it(wanted: str, kept: str) -> None:
    assert gate.requirements("A", [], wanted) == f"(A) && ({kept})"


def test_a_list_in_the_requirements_stays_on_one_line() -> None:
    joined = gate.requirements("A", [], 'member(GLIDEIN_Site, {"X", "Y  Z"})')
    assert "\n" not in joined
    assert '"Y  Z"' in joined


def test_no_requirements_of_the_user_leave_the_mandatory_ones() -> None:
    assert gate.requirements("A", [], "  ") == "(A)"


def test_a_number_out_of_bounds_is_refused() -> None:
    assert gate.number("n_cores", 4, least=1, most=8) == "4"
    with pytest.raises(SubmitRejected, match="n_cores"):
        gate.number("n_cores", 0, least=1, most=8)


COMMANDS = frozenset(("log", "priority", "+EWMSTaskforceUUID"))


@pytest.mark.parametrize(
    "value", ["/l\ninclude command : x", "/l\\", "$ENV(HOME)", "/l ", "$(Cmd)", "$$(ProcId)"]
)
def test_a_description_with_a_value_that_passed_no_gate_is_not_submitted(value: str) -> None:
    with pytest.raises(SubmitRejected, match="log"):
        gate.sealed({"log": value}, COMMANDS)


@pytest.mark.parametrize("command", ["executable", "log\nexecutable", "LOG", "+Owner"])
def test_a_description_with_a_command_of_somebody_else_is_not_submitted(command: str) -> None:
    with pytest.raises(SubmitRejected, match="command"):
        gate.sealed({"log": "/l", command: "x"}, COMMANDS)


def test_our_own_macros_and_commands_pass() -> None:
    description = {"log": "/l/$(ClusterId)", "priority": "9 - $(ProcId)", "+EWMSTaskforceUUID": '"TF-1"'}
    assert gate.sealed(description, COMMANDS) == description


def test_a_description_without_end_is_not_submitted() -> None:
    with pytest.raises(SubmitRejected, match="longer"):
        gate.sealed({"log": "x" * 1_000_001}, COMMANDS)


MIB, KIB = 2**20, 2**10


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("8GB", MIB, 8192),
        ("8G", MIB, 8192),
        ("8 GiB", MIB, 8192),
        ("8gb", MIB, 8192),
        ("5000MB", MIB, 5000),
        ("1.5 GB", MIB, 1536),
        ("512M", KIB, 512 * 1024),
        ("1KB", MIB, 1),
        ("4235", KIB, 5),
        (4235, KIB, 5),
        (1, MIB, 1),
        ("1TB", MIB, 1024**2),
        ("100 bytes", KIB, 1),
    ],
)
def test_a_size_becomes_whole_units_and_never_less_than_was_asked_for(
    value: str | int, unit: int, expected: int
) -> None:
    assert gate.size("worker_memory", value, unit=unit) == expected


@pytest.mark.parametrize(
    "value", ["", "garbage", "8GBfoo", "-5", -5, "5e9", "0", 0, "GB", "9" * 14 + "PB", "1 2"]
)
def test_what_is_no_size_is_refused_by_name(value: str | int) -> None:
    with pytest.raises(SubmitRejected, match="worker_disk"):
        gate.size("worker_disk", value, unit=1)
