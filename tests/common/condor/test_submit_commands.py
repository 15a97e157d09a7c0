"""An operator's submit commands: what passes, and what a wrong one is called."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.condor.protection import BINDING
from common.condor.submit_commands import is_htcondors, read_commands
from common.condor.submit_text import why_not_plain


def test_commands_and_attributes_are_read_from_one_line() -> None:
    text = ' accounting_group = group_x.ewms ;+ProjectName="a; b = c"; Rank = Mips; +Category = "Long";'
    assert read_commands(text) == {
        "accounting_group": "group_x.ewms",
        "+ProjectName": '"a; b = c"',
        "rank": "Mips",
        "+Category": '"Long"',
    }
    assert read_commands(" ; ") == {}


@pytest.mark.parametrize(
    "item",
    [
        "accounting_group_user = ewms",
        "concurrency_limits = database, license.x:2",
        "nice_user = True",
        "request_gpus = 1",
        "require_gpus = Capability >= 8",
        "request_licenses = 2",
        "max_job_retirement_time = 3600",
        '+DESIRED_Sites = "A,B"',
        '+JobDurationCategory = "Long"',
        "+MaxBlah = OriginalTime * 2",
    ],
)
def test_what_an_operator_may_want_passes(item: str) -> None:
    name, _, value = item.partition(" = ")
    assert read_commands(item) == {name: value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("accounting_grop = x", "has accounting_grop, which is none of: accounting_group, "),
        ("executable = /bin/sh", "has executable, which is none of"),
        ("request_memory = 1", "has request_memory, which is none of"),
        ("log = /tmp/x", "has log, which is none of"),
        ("include = /tmp/x", "has include, which is none of"),
        ("+UserLog = true", r"has \+UserLog, which HTCondor or the starter sets itself"),
        ("+wantioproxy = true", r"has \+wantioproxy, which HTCondor or the starter sets itself"),
        ("+EWMSAnything = 1", r"has \+EWMSAnything, which HTCondor or the starter sets itself"),
        ("+PeriodicRelease = true", r"has \+PeriodicRelease, which"),
        ("+NoopJob = true", r"has \+NoopJob, which"),
        ("+Requirements = true", r"has \+Requirements, which"),
        ("accounting_group = a b", "has accounting_group, which must be a group's name"),
        ("accounting_group =", "has accounting_group, which has no value"),
        ("concurrency_limits = a b", "must be names of limits"),
        ("nice_user = perhaps", "must be true or false"),
        ("job_lease_duration = -1", "must be a number of seconds"),
        ("rank = 1 +", "has rank, which must be a ClassAd expression"),
        ("+ProjectName = Ice Cube", "must be a ClassAd expression, with text in double quotes"),
        ('+ProjectName = "$ENV(HOME)"', "has a macro"),
        ("+ProjectName = 1\nqueue = 5", "has a control character"),
        ("accounting_group = x\\", "ends with a backslash"),
        ('+ProjectName = "IceCube', "has a string without its end"),
        ("accounting_group", "must be COMMAND = VALUE"),
        ("= x", "has no command or .* item 1"),
        ("rank = 1; a b = 1", "has no command or .* item 2"),
        ("+A = 1; +a = 2", r"has \+a twice"),
        ("rank = " + "1" * 10_000, "has more than 10000 characters"),
    ],
)
def test_a_wrong_one_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_commands(text)


def test_what_binds_a_job_is_not_an_operators_to_set_however_it_is_written() -> None:
    for attribute in BINDING:
        assert is_htcondors(attribute)
        assert is_htcondors(attribute.swapcase())


@given(st.text(alphabet='+aB_=;" \\$()\n1é', max_size=40))
@example('+a="\\";+B=1')
def test_whatever_passes_is_only_text_to_the_submit_language(text: str) -> None:
    try:
        commands = read_commands(text)
    except ValueError:
        return
    for name, value in commands.items():
        assert why_not_plain(name) == why_not_plain(value) == ""
        assert "=" not in name
