"""A login that fails is explained by what the bindings write into their debug log."""

from __future__ import annotations

import pytest

from common.condor.login import read_debug_log

# Lines of 25.14.1's log at a schedd of 23.9.6, and at one of its own version from another /tmp.
OLDER = """\
11/27/26 01:25:24 SECMAN: sending following classad:
RemoteVersion = "$CondorVersion: 25.14.1 2026-09-24 BuildID: UW_Python_Wheel_Build $"
11/27/26 01:25:24 SECMAN: server responded with:
RemoteVersion = "$CondorVersion: 23.9.6 2026-07-12 PackageID: 23.9.6+dfsg-2.1+b10 $"
11/27/26 01:25:24 AUTHENTICATE_FS: Server-requested directory 'FS_XXX' doesn't match expected prefix 'FS_127'
11/27/26 01:25:24 AUTHENTICATE: method 4 (FS) failed.
11/27/26 01:25:24 Looking for tokens in directory /home/you/.condor/tokens.d for issuer ap.example.org
11/27/26 01:25:24 TOKEN: No token found.
11/27/26 01:25:24 AUTHENTICATE: method 2048 (IDTOKENS) failed.
"""
OTHER_TMP = "11/27/26 01:25:24 AUTHENTICATE: method 4 (FS) failed.\n" * 2


def test_an_older_schedd_is_named_with_the_token_that_it_needs() -> None:
    reason = read_debug_log(OLDER)
    assert reason.startswith(
        "login failed by FS, IDTOKENS; HTCondor 23.9.6 there does not take the FS login of"
    )
    assert "no token in /home/you/.condor/tokens.d is for ap.example.org" in reason
    assert reason.endswith("see Login in the README")


def test_a_failed_login_by_files_names_what_it_needs() -> None:
    reason = read_debug_log(OTHER_TMP)
    assert reason.startswith("login failed by FS; FS needs the same /tmp")


@pytest.mark.parametrize("text", ["", "11/27/26 01:25:24 AUTHENTICATE: auth_status == 4 (FS)\n", "\ufffd"])
def test_no_reason_is_given_where_no_login_failed(text: str) -> None:
    assert read_debug_log(text) == ""
