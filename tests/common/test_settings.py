"""An environment file of the original works unchanged; a wrong one is explained all at once."""

from __future__ import annotations

from pathlib import Path

import classad2
import pytest

from common.errors import ConfigError
from common.settings import CVMFS_PILOT_PATH, REQUIREMENTS, Settings, Site

REQUIRED = {
    "EWMS_ADDRESS": "https://wms.example.org/",
    "EWMS_TOKEN_URL": "https://keycloak.example.org/realms/EWMS",
    "EWMS_CLIENT_ID": "tms",
    "EWMS_CLIENT_SECRET": "swordfish",
    "JOB_EVENT_LOG_DIR": "/scratch/tms",
}


def test_the_required_settings_suffice_and_the_rest_has_the_originals_defaults() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert settings.ewms_address == "https://wms.example.org"
    assert settings.job_event_log_dir == Path("/scratch/tms")
    assert settings.log_expiry_short == 86400
    assert settings.log_expiry_long == settings.log_archive_expiry == 604800
    assert settings.taskforce_dirs_expiry == settings.taskforce_dirs_tar_expiry == 432000
    assert (settings.outer_loop_wait, settings.watcher_interval, settings.file_interval) == (60, 180, 3600)
    assert settings.watcher_quiet == 600
    assert (settings.logging_interval, settings.error_wait) == (300, 10)
    assert settings.cvmfs_pilot_path == CVMFS_PILOT_PATH
    assert settings.log_level == settings.log_level_wms == "INFO"
    assert settings.log_level_third_party == "WARNING"
    assert not settings.dry_run
    assert settings.pilot_environment == {}


def test_all_problems_are_named_at_once_without_any_value() -> None:
    wrong = {
        "EWMS_ADDRESS": "wms.example.org",
        "EWMS_CLIENT_SECRET": "swordfish",
        "EWMS_CLIENT_ID": " ",
        "TMS_WATCHER_INTERVAL": "soon",
        "TMS_WATCHER_QUIET": "0",
        "TMS_ERROR_WAIT": "-1",
        "TMS_LEAST_FREE_SPACE": "swordfish",
        "TMS_LATE_MATERIALIZATION_ABOVE": "-1",
        "TMS_MAX_IDLE": "0",
        "TMS_MAX_JOBS_IN_QUEUE": "many",
        "TMS_MAX_SCHEDD_DUTY_CYCLE": "98",
        "LOG_LEVEL": "loud",
        "DRYRUN": "perhaps",
        "LOG_FORMAT": "xml",
        "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "EWMS_PILOT_X=swordfish word",
    }
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(wrong)
    named = {problem.split()[0] for problem in caught.value.problems}
    missing = {"EWMS_TOKEN_URL", "EWMS_CLIENT_ID", "JOB_EVENT_LOG_DIR"}
    assert named == (wrong.keys() - {"EWMS_CLIENT_SECRET"}) | missing
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_no_file_are_a_wrong_setting_beside_all_others(
    name: str, tmp_path: Path
) -> None:
    wrong = {name: str(tmp_path / "swordfish.pem"), "TMS_ERROR_WAIT": "-1"}
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(REQUIRED | wrong)
    assert [problem.split()[0] for problem in caught.value.problems] == [name, "TMS_ERROR_WAIT"]
    assert "swordfish" not in str(caught.value)
    (tmp_path / "swordfish.pem").touch()
    Settings.from_environment(REQUIRED | {name: str(tmp_path / "swordfish.pem")})
    Settings.from_environment(REQUIRED | {name: str(tmp_path)})
    Settings.from_environment(REQUIRED | {name: ""})


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("5000", 5000), ("1.5 GiB", 3 * 2**29), ("", 2**30)]
)
def test_the_least_free_space_is_written_as_people_write_sizes(text: str, expected: int) -> None:
    settings = Settings.from_environment(REQUIRED | {"TMS_LEAST_FREE_SPACE": text})
    assert settings.least_free_space == expected


def test_what_the_schedd_gets_is_bounded() -> None:
    limits = {
        "TMS_LATE_MATERIALIZATION_ABOVE": "0",
        "TMS_MAX_IDLE": "1",
        "TMS_MAX_JOBS_IN_QUEUE": "50000",
        "TMS_MAX_SCHEDD_DUTY_CYCLE": "1",
    }
    settings = Settings.from_environment(REQUIRED | limits)
    assert (settings.late_materialization_above, settings.max_idle) == (0, 1)
    assert (settings.max_jobs_in_queue, settings.max_schedd_duty_cycle) == (50_000, 1.0)


def test_the_long_expiry_may_not_be_the_shorter_one() -> None:
    with pytest.raises(ConfigError, match="EXPIRY_LONG"):
        Settings.from_environment(REQUIRED | {"JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG": "5"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("_EWMS_PILOT_APPTAINER_BUILD_WORKDIR=/srv/x/", {"_EWMS_PILOT_APPTAINER_BUILD_WORKDIR": "/srv/x/"}),
        ("EWMS_PILOT_A=1 EWMS_PILOT_B=2", {"EWMS_PILOT_A": "1", "EWMS_PILOT_B": "2"}),
        ("EWMS_PILOT_A=1\n\tEWMS_PILOT_B=2", {"EWMS_PILOT_A": "1", "EWMS_PILOT_B": "2"}),
        ("EWMS_PILOT_URL=https://x/?a=b=c", {"EWMS_PILOT_URL": "https://x/?a=b=c"}),
        ("EWMS_PILOT_EMPTY=", {"EWMS_PILOT_EMPTY": ""}),
        ("EWMS_PILOT_LIST=1,EWMS_PILOT_B=2", {"EWMS_PILOT_LIST": "1,EWMS_PILOT_B=2"}),
    ],
)
def test_variables_for_the_pilot_are_split_at_blanks_and_the_first_equals_sign(
    text: str, expected: dict[str, str]
) -> None:
    settings = Settings.from_environment(REQUIRED | {"TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": text})
    assert settings.pilot_environment == expected


def test_ignored_settings_are_named() -> None:
    settings = Settings.from_environment(
        REQUIRED
        | {
            "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "HOME=/x EWMS_PILOT_A=1 EWMS_PILOT_B;c=2",
            "TMS_WATCHER_INTERVALL": "15",
            "PATH": "/bin",
        }
    )
    assert [line.split()[0] for line in settings.ignored] == [
        "TMS_WATCHER_INTERVALL",
        "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT:",
        "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT:",
    ]
    assert settings.pilot_environment == {"EWMS_PILOT_A": "1"}


def test_every_setting_is_shown_and_no_secret_is() -> None:
    settings = Settings.from_environment(
        REQUIRED | {"TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "EWMS_PILOT_X_TOKEN=swordfish EWMS_PILOT_A=1"}
    )
    shown = "\n".join(settings.lines())
    assert REQUIRED.keys() <= {line.split("=")[0] for line in settings.lines()}
    assert "EWMS_PILOT_A=1" in shown
    assert "swordfish" not in shown + repr(settings) + str(settings)


def test_sites_are_separated_by_commas_as_their_names_have_blanks() -> None:
    settings = Settings.from_environment(REQUIRED | {"TMS_EXCLUDED_SITES": "Kansas State University, AMNH,"})
    assert settings.excluded_sites == (
        Site("GLIDEIN_Site", "Kansas State University"),
        Site("GLIDEIN_Site", "AMNH"),
    )


def test_a_site_can_be_named_by_either_attribute() -> None:
    """As the operators' own search for bad sites prints them."""
    text = "GLIDEIN_Site=AMNH, OSG_SITE_NAME=Wichita State University"
    settings = Settings.from_environment(REQUIRED | {"TMS_EXCLUDED_SITES": text})
    assert settings.excluded_sites == (
        Site("GLIDEIN_Site", "AMNH"),
        Site("OSG_SITE_NAME", "Wichita State University"),
    )
    shown = next(line for line in settings.lines() if line.startswith("TMS_EXCLUDED_SITES"))
    assert shown == "TMS_EXCLUDED_SITES=GLIDEIN_Site=AMNH,OSG_SITE_NAME=Wichita State University"


def test_the_originals_sites_are_excluded_unless_others_are_named() -> None:
    default = Settings.from_environment(REQUIRED | {"TMS_EXCLUDED_SITES": " "}).excluded_sites
    assert len(default) == 8
    assert Site("OSG_SITE_NAME", "Wichita State University") in default
    assert Settings.from_environment(REQUIRED | {"TMS_EXCLUDED_SITES": "AMNH"}).excluded_sites == (
        Site("GLIDEIN_Site", "AMNH"),
    )
    assert Settings.from_environment(REQUIRED | {"TMS_EXCLUDED_SITES": ","}).excluded_sites == ()


GLIDEIN = "HAS_CVMFS_icecube_opensciencegrid_org = true; HasUserNamespaces = true"


@pytest.mark.parametrize(
    ("machine", "fits"),
    [
        ("HasSingularity = true; HasUserNamespaces = true", False),  # no CVMFS
        (f"{GLIDEIN}; HasSingularity = true", True),
        (f"{GLIDEIN}; HAS_SINGULARITY = true", True),
        (f"{GLIDEIN}; HAS_SINGULARITY = false; HasSingularity = true", False),  # the glidein knows better
        (f"{GLIDEIN}; HAS_SINGULARITY = true; HasSingularity = false", True),
        (f"{GLIDEIN}; HasSingularity = false", False),
        (f"{GLIDEIN}", False),
        (
            "HAS_CVMFS_icecube_opensciencegrid_org = true; HasSingularity = true;"
            " SingularityUserNamespaces = true",
            True,
        ),
        ("HAS_CVMFS_icecube_opensciencegrid_org = true; HasSingularity = true", False),
    ],
)
def test_the_default_requirements_hold_where_a_pilot_can_run(machine: str, fits: bool) -> None:
    ad = classad2.ClassAd(f"[{machine}; R = {REQUIREMENTS}]")
    assert (ad.eval("R") is True) is fits


ELSEWHERE = {"TMS_CONDOR_COLLECTOR": "cm.example.org:9618", "TMS_CONDOR_SCHEDD": "ap2.example.org"}


def test_a_schedd_elsewhere_needs_its_collector_and_its_name() -> None:
    settings = Settings.from_environment(REQUIRED | ELSEWHERE)
    assert (settings.condor_collector, settings.condor_schedd) == tuple(ELSEWHERE.values())
    for name in ELSEWHERE:
        with pytest.raises(ConfigError, match="both or neither"):
            Settings.from_environment(REQUIRED | ELSEWHERE | {name: ""})


def test_two_settings_may_not_name_two_schedds() -> None:
    assert Settings.from_environment(REQUIRED | ELSEWHERE | {"TMS_SCHEDD_NAME": "ap2.example.org"})
    with pytest.raises(ConfigError, match="different schedds"):
        Settings.from_environment(REQUIRED | ELSEWHERE | {"TMS_SCHEDD_NAME": "ap3.example.org"})


@pytest.mark.parametrize("level", ["debug", "DEBUG"])
def test_log_levels_may_be_written_small(level: str) -> None:
    assert Settings.from_environment(REQUIRED | {"LOG_LEVEL": level}).log_level == "DEBUG"


def test_a_relative_directory_is_made_absolute() -> None:
    settings = Settings.from_environment(REQUIRED | {"JOB_EVENT_LOG_DIR": "tms_scratchdir"})
    assert settings.job_event_log_dir == Path.cwd() / "tms_scratchdir"


@pytest.mark.parametrize("name", ["EWMS_ADDRESS", "EWMS_TOKEN_URL"])
@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://wms.example.org/prefix", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8080", True),
        ("http://wms.example.org", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("https://user:word@wms.example.org", False),
        ("http://127.0.0.1@example.org", False),
        ("https://wms.example.org/?a=b", False),
        ("https://wms.example.org/#a", False),
        ("https://", False),
        ("https://[::1", False),
        ("file:///etc/passwd", False),
        ("https://wms.example.org/a b", False),
    ],
)
def test_secrets_go_over_tls_or_stay_on_this_machine(name: str, url: str, good: bool) -> None:
    if good:
        Settings.from_environment(REQUIRED | {name: url})
        return
    with pytest.raises(ConfigError, match=name):
        Settings.from_environment(REQUIRED | {name: url})


def test_plain_http_is_spoken_with_others_where_it_was_asked_for() -> None:
    plain = REQUIRED | {"EWMS_ADDRESS": "http://wms.example.org", "TMS_PLAIN_HTTP": "true"}
    settings = Settings.from_environment(plain)
    assert settings.may_send_secrets_to("http://tokens.example.org/token")
    assert not settings.may_send_secrets_to("ftp://tokens.example.org/token")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TMS_REQUIREMENTS", "HAS_SINGULARITY =?="),
        ("TMS_REQUIREMENTS", "true) || (true"),
        ("TMS_REQUIREMENTS", "$ENV(HOME)"),
        ("TMS_EXCLUDED_SITES", "$(Bad)"),
        ("TMS_EXCLUDED_SITES", "OSG_SITE=Nowhere"),
        ("TMS_EXCLUDED_SITES", "GLIDEIN_Site="),
        ("TMS_EXCLUDED_SITES", 'a" || "b'),
        ("CVMFS_PILOT_PATH", "/cvmfs/$ENV(HOME)"),
        ("JOB_EVENT_LOG_DIR", "/scratch/a,b"),
        ("JOB_EVENT_LOG_DIR", "/scratch/$(x)"),
        ("JOB_EVENT_LOG_DIR", "/scratch/a\nb"),
        ("TMS_INPUT_FILES_ALLOWED", "data:/cvmfs"),
        ("TMS_PRIVATE_PATHS", "tms.env"),
    ],
)
def test_a_setting_that_would_spoil_every_taskforce_is_a_wrong_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.from_environment(REQUIRED | {name: value})


def test_paths_are_separated_by_colons() -> None:
    settings = Settings.from_environment(REQUIRED | {"TMS_INPUT_FILES_ALLOWED": "/cvmfs:/data/in:"})
    assert settings.input_files_allowed == (Path("/cvmfs"), Path("/data/in"))
    assert "TMS_INPUT_FILES_ALLOWED=/cvmfs:/data/in" in settings.lines()


def test_an_operators_submit_commands_are_named_if_they_are_wrong() -> None:
    text = 'accounting_group = group_x; +ProjectName = "Ice Cube"'
    settings = Settings.from_environment(REQUIRED | {"TMS_SUBMIT_COMMANDS": text})
    assert settings.submit_commands == {"accounting_group": "group_x", "+ProjectName": '"Ice Cube"'}
    assert 'TMS_SUBMIT_COMMANDS=accounting_group=group_x; +ProjectName="Ice Cube"' in settings.lines()
    with pytest.raises(ConfigError, match="TMS_SUBMIT_COMMANDS has lgo, which is none of"):
        Settings.from_environment(REQUIRED | {"TMS_SUBMIT_COMMANDS": "lgo = swordfish"})


@pytest.mark.parametrize("name", ["HasSingularity", "glidein_site"])
def test_no_submit_command_hides_what_jobs_require_of_machines(name: str) -> None:
    wrong = REQUIRED | {"TMS_SUBMIT_COMMANDS": f"+{name} = true"}
    with pytest.raises(ConfigError, match=rf"TMS_SUBMIT_COMMANDS has \+{name}, which jobs require"):
        Settings.from_environment(wrong)


def test_sites_are_named_by_the_attributes_of_one_setting() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert settings.site_attributes == ("GLIDEIN_Site", "OSG_SITE_NAME")
    assert "TMS_SITE_ATTRIBUTES=GLIDEIN_Site,OSG_SITE_NAME" in settings.lines()
    own = REQUIRED | {"TMS_SITE_ATTRIBUTES": "MySite"}
    assert Settings.from_environment(own).excluded_sites == settings.excluded_sites
    own["TMS_EXCLUDED_SITES"] = "MySite=A, B, OSG_SITE_NAME=C"
    excluded = Settings.from_environment(own).excluded_sites
    assert excluded == (Site("MySite", "A"), Site("GLIDEIN_Site", "B"), Site("OSG_SITE_NAME", "C"))
    for wrong in ("My Site", "1st", ",", 'a"b'):
        with pytest.raises(ConfigError, match="TMS_SITE_ATTRIBUTES must be names of attributes"):
            Settings.from_environment(REQUIRED | {"TMS_SITE_ATTRIBUTES": wrong})
