"""Every environment variable of the service: its name, type, default and meaning, in one place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from common import sites
from common.condor.expressions import parse_expression
from common.condor.submit_commands import read_commands
from common.condor.submit_text import why_not_plain
from common.errors import ConfigError
from common.privacy import masked
from common.release_rules import ReleaseRule, read_rules
from common.sizes import size_in_bytes

PILOT_ENVIRONMENT = "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT"
CVMFS_PILOT_PATH = (
    "/cvmfs/icecube.opensciencegrid.org/containers/ewms/observation-management-service/ewms-pilot"
)
# A pilot is an Apptainer image on CVMFS that itself starts Apptainer. So it needs a machine that
# - can run a container: a glidein's own word for that, HAS_SINGULARITY, overrules HTCondor's HasSingularity,
# - sees the repository,
# - lets an ordinary user make user namespaces: HTCondor 23.9.6 advertises HasUserNamespaces alone; from
#   24.4.0 on there is SingularityUserNamespaces, too (both measured: 23.9.6 and 25.14.1, unchanged).
REQUIREMENTS = (
    "(HAS_SINGULARITY =?= true || (HAS_SINGULARITY =?= undefined && HasSingularity =?= true))"
    " && HAS_CVMFS_icecube_opensciencegrid_org =?= true"
    " && (HasUserNamespaces =?= true || SingularityUserNamespaces =?= true)"
)
# The sites that the original's releases exclude (its v1.2.4).
EXCLUDED_SITES = (
    "San Diego Supercomputer Center, SDSC-PRP, Kansas State University, Rhodes-HPC, AMNH, NotreDame, SU-ITS,"
    " OSG_SITE_NAME=Wichita State University"
)

_OURS = ("EWMS_", "TMS_", "JOB_EVENT_LOG_", "TASKFORCE_DIRS_", "LOG_LEVEL")

Seconds = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Site:
    """A site of the pool, by the name that its machines advertise in this attribute."""

    attribute: str
    name: str

    def __str__(self) -> str:
        return f"{self.attribute}={self.name}"


def _setting(name: str, help_text: str, default: Any = ..., **extra: Any) -> Any:
    return Field(default, alias=name, description=help_text, **extra)


class Settings(BaseModel):
    """The settings of one worker, read once at its start; times are whole seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # the WMS and its token service
    ewms_address: str = _setting("EWMS_ADDRESS", "base URL of the WMS, without /v1")
    token_url: str = _setting("EWMS_TOKEN_URL", "base URL of the OpenID issuer (a Keycloak realm)")
    client_id: str = _setting("EWMS_CLIENT_ID", "our client id at the token service")
    client_secret: SecretStr = _setting("EWMS_CLIENT_SECRET", "our client secret at the token service")
    token_scope: str = _setting("TMS_TOKEN_SCOPE", "OAuth scope to ask for, where a realm needs one", "")
    wms_timeout: Seconds = _setting("TMS_WMS_TIMEOUT", "longest wait for one answer of the WMS", 60)
    plain_http: bool = _setting(
        "TMS_PLAIN_HTTP", "send secret and tokens without TLS also beyond this machine", False
    )

    # the schedd
    schedd_name: str = _setting(
        "TMS_SCHEDD_NAME", "HTCondor's name of the schedd (default: the AP's own)", ""
    )
    wms_schedd_name: str = _setting(
        "TMS_WMS_SCHEDD_NAME", "what the WMS calls this schedd (default: the AP's FULL_HOSTNAME)", ""
    )
    condor_collector: str = _setting(
        "TMS_CONDOR_COLLECTOR",
        "collector of a schedd elsewhere, HOST or HOST:PORT; with TMS_CONDOR_SCHEDD",
        "",
    )
    condor_schedd: str = _setting(
        "TMS_CONDOR_SCHEDD", "HTCondor's name of a schedd elsewhere; with TMS_CONDOR_COLLECTOR", ""
    )

    # the scratch directory and the life of its files
    job_event_log_dir: Path = _setting("JOB_EVENT_LOG_DIR", "directory of logs and taskforce directories")
    log_expiry_short: Seconds = _setting(
        "JOB_EVENT_LOG_MODIFICATION_EXPIRY_SHORT",
        "quiet time after which an unneeded log is compressed",
        86400,
    )
    log_expiry_long: Seconds = _setting(
        "JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG",
        "quiet time after which a log is compressed that the WMS does not know",
        604800,
    )
    log_archive_expiry: Seconds = _setting(
        "JOB_EVENT_LOG_ARCHIVE_DELETE_EXPIRY", "age at which a compressed log is deleted", 604800
    )
    taskforce_dirs_expiry: Seconds = _setting(
        "TASKFORCE_DIRS_EXPIRY", "quiet time after which a taskforce directory is archived", 432000
    )
    taskforce_dirs_tar_expiry: Seconds = _setting(
        "TASKFORCE_DIRS_TAR_EXPIRY", "age at which an archived taskforce directory is deleted", 432000
    )
    least_free_space: int = _setting(
        "TMS_LEAST_FREE_SPACE", "free space below which nothing is started, such as 1GiB (0: no limit)", 2**30
    )

    # pilots
    pilot_environment: dict[str, str] = _setting(
        PILOT_ENVIRONMENT, "NAME=value pairs, separated by blanks, for every pilot", {}, repr=False
    )
    cvmfs_pilot_path: str = _setting("CVMFS_PILOT_PATH", "pilot image, without its tag", CVMFS_PILOT_PATH)
    requirements: str = _setting("TMS_REQUIREMENTS", "requirements that hold for every job", REQUIREMENTS)
    site_attributes: tuple[str, ...] = _setting(
        sites.SETTING,
        "attributes by which machines name their site, with commas; the first that a machine has counts",
        sites.DEFAULT,
        validate_default=True,
    )
    excluded_sites: tuple[Site, ...] = _setting(
        "TMS_EXCLUDED_SITES",
        "sites where no job may run, separated by commas: NAME or GLIDEIN_Site=NAME, OSG_SITE_NAME=NAME",
        EXCLUDED_SITES,
        validate_default=True,
    )

    submit_commands: dict[str, str] = _setting(
        "TMS_SUBMIT_COMMANDS",
        "submit commands and +ATTRIBUTEs for every job, each NAME = VALUE, separated by semicolons",
        {},
    )
    release_held: tuple[ReleaseRule, ...] = _setting(
        "TMS_RELEASE_HELD",
        "held jobs that are released again: CODE:SECONDS:TIMES or CODE.SUBCODE:SECONDS:TIMES, with commas",
        (),
    )
    max_runtime_enforced: bool = _setting(
        "TMS_MAX_RUNTIME_ENFORCED", "remove a job that runs for longer than its max_worker_runtime", False
    )

    input_files_allowed: tuple[Path, ...] = _setting(
        "TMS_INPUT_FILES_ALLOWED", "directories of users' input files, separated by colons (default: any)", ()
    )
    input_files_size: int = _setting(
        "TMS_INPUT_FILES_SIZE", "the most that the input files of one taskforce may have together", 10 * 2**30
    )
    require_visible_input_files: bool = _setting(
        "TMS_REQUIRE_VISIBLE_INPUT_FILES", "refuse input files that this service cannot look at", False
    )
    require_protected_jobs: bool = _setting(
        "TMS_REQUIRE_PROTECTED_JOBS", "start nothing while jobs can change what binds them", False
    )
    private_paths: tuple[Path, ...] = _setting(
        "TMS_PRIVATE_PATHS", "files and directories that are nobody's input files, separated by colons", ()
    )

    # how much the schedd gets
    late_materialization_above: int = _setting(
        "TMS_LATE_MATERIALIZATION_ABOVE",
        "number of workers above which HTCondor makes a taskforce's jobs as they are needed (0: never)",
        1000,
        ge=0,
    )
    max_idle: int = _setting(
        "TMS_MAX_IDLE", "how many idle jobs such a taskforce has in the queue at a time", 1000, ge=1
    )
    max_jobs_in_queue: int = _setting(
        "TMS_MAX_JOBS_IN_QUEUE", "jobs of ours in the queue that no start may exceed (0: no limit)", 0, ge=0
    )
    max_schedd_duty_cycle: float = _setting(
        "TMS_MAX_SCHEDD_DUTY_CYCLE",
        "nothing is started while the schedd is busy for more than this part of its time (1: no limit)",
        0.98,
        gt=0,
        le=1,
    )

    # rhythm
    outer_loop_wait: Seconds = _setting(
        "TMS_OUTER_LOOP_WAIT", "pause between rounds of starter and stopper", 60
    )
    watcher_interval: Seconds = _setting("TMS_WATCHER_INTERVAL", "pause between rounds of the watcher", 180)
    watcher_quiet: Seconds = _setting(
        "TMS_WATCHER_QUIET", "quiet time after which the schedd is asked about a cluster that goes on", 600
    )
    file_interval: Seconds = _setting(
        "TMS_FILE_MANAGER_INTERVAL", "pause between rounds of housekeeping in the files", 3600
    )
    logging_interval: Seconds = _setting("TMS_MAX_LOGGING_INTERVAL", "longest silence of a worker's log", 300)
    report_stuck_after: Seconds = _setting(
        "TMS_REPORT_STUCK_AFTER",
        "how long an item may wait, set aside, before health fails and the WMS gets a report",
        3600,
    )
    error_wait: Seconds = _setting("TMS_ERROR_WAIT", "pause after a failed start or stop", 10)
    refusal_patience: Seconds = _setting(
        "TMS_REFUSAL_PATIENCE",
        "how long the WMS may refuse a finished taskforce's statuses before it is completed without",
        3600,
    )
    pass_timeout: Seconds = _setting(
        "TMS_PASS_TIMEOUT",
        "a step that takes longer is taken for stuck, and the worker is started again",
        900,
    )

    # running
    run_dir: Path | None = _setting(
        "TMS_RUN_DIR", "private directory of the control socket (default: .tms in JOB_EVENT_LOG_DIR)", None
    )
    metrics_dir: Path | None = _setting(
        "TMS_METRICS_DIR",
        "directory of node_exporter's text files, for metrics of each worker (default: no metrics)",
        None,
    )
    dry_run: bool = _setting("DRYRUN", "read everything, write nothing, as --dry-run", False)
    log_level: str = _setting("LOG_LEVEL", "our own log level", "INFO")
    log_level_third_party: str = _setting("LOG_LEVEL_THIRD_PARTY", "log level of libraries", "WARNING")
    log_level_wms: str = _setting("LOG_LEVEL_REST_TOOLS", "log level of the WMS client", "INFO")
    log_format: Literal["text", "json"] = _setting("LOG_FORMAT", "text, or json: one object a line", "text")

    ignored: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The settings that `environ` holds; an empty value counts as absent.

        Raises ConfigError with every problem at once. No message repeats a value, so no secret is shown.
        """
        names = {field.alias for field in cls.model_fields.values() if field.alias}
        given: dict[str, Any] = {name: value for name in names if (value := environ.get(name, "").strip())}
        notes = [
            f"{name} is not a setting of this service: ignored"
            for name in sorted(environ)
            if name.startswith(_OURS) and name not in names
        ]
        notes += [
            f"{PILOT_ENVIRONMENT}: {name} does not start with EWMS_PILOT_ or _EWMS_PILOT_: ignored"
            for item in environ.get(PILOT_ENVIRONMENT, "").split()
            if not is_pilot_name(name := item.split("=")[0])
        ]
        problems = _missing_certificates(environ)
        try:
            settings = cls.model_validate(given | {"ignored": tuple(notes)})
        except ValidationError as error:
            problems += [_problem(dict(entry)) for entry in error.errors()]
        if problems:
            raise ConfigError(problems)
        return settings

    @field_validator("ewms_address", "token_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an http:// or https:// URL, without a user, a query or a fragment")
        return value.rstrip("/")

    @field_validator("job_event_log_dir", "requirements", "cvmfs_pilot_path")
    @classmethod
    def _is_plain(cls, value: Path | str) -> Path | str:
        """What goes into every submit description must not make HTCondor refuse them all."""
        if problem := why_not_plain(str(value)):
            raise ValueError(problem)
        return value

    @field_validator("requirements")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            parse_expression(value or "true")
        except ValueError:
            raise ValueError("must be a ClassAd expression") from None
        return value

    @field_validator("input_files_allowed", "private_paths", mode="before")
    @classmethod
    def _split_paths(cls, value: str | tuple[Path, ...]) -> tuple[Path, ...]:
        if isinstance(value, str):
            value = tuple(Path(item) for item in value.split(":") if item)
        if not all(path.is_absolute() for path in value):
            raise ValueError("must be absolute paths, separated by colons")
        return value

    @field_validator("job_event_log_dir", "run_dir", "metrics_dir")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        if value and set(str(value)) & set(',"\\*'):
            raise ValueError('must be a path without , " \\ and *: HTCondor has it in lists of paths')
        return value and value.absolute()  # a daemon's directory must not depend on where a person stands

    @field_validator("pilot_environment", mode="before")
    @classmethod
    def _split_pairs(cls, value: str | dict[str, str]) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        bare = [item for item in value.split() if "=" not in item]
        if bare:
            raise ValueError(f"has {len(bare)} item(s) without '='; values cannot hold blanks")
        pairs = (item.split("=", 1) for item in value.split())
        return {name: val for name, val in pairs if is_pilot_name(name)}

    @field_validator("submit_commands", mode="before")
    @classmethod
    def _read_commands(cls, value: str | dict[str, str]) -> dict[str, str]:
        return read_commands(value) if isinstance(value, str) else value

    @field_validator("release_held", mode="before")
    @classmethod
    def _read_rules(cls, value: str | tuple[ReleaseRule, ...]) -> tuple[ReleaseRule, ...]:
        return read_rules(value) if isinstance(value, str) else value

    @field_validator("site_attributes", mode="before")
    @classmethod
    def _read_site_attributes(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        return sites.read_site_attributes(value) if isinstance(value, str) else value

    @field_validator("excluded_sites", mode="before")
    @classmethod
    def _split_sites(cls, value: str | tuple[Site, ...], info: ValidationInfo) -> tuple[Site, ...]:
        if isinstance(value, str):
            names = dict.fromkeys((sites.GLIDEIN, sites.OSG, *info.data.get("site_attributes", ())))
            value = tuple(_read_site(item, names) for item in value.split(",") if item.strip())
        if any(why_not_plain(site.name) or '"' in site.name or "\\" in site.name for site in value):
            raise ValueError('site names cannot hold control characters, macros, " or \\')
        return value

    @field_validator("least_free_space", "input_files_size", mode="before")
    @classmethod
    def _read_size(cls, value: str | int) -> int:
        return int(size_in_bytes(str(value)))

    @field_validator("log_level", "log_level_third_party", "log_level_wms")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"):
            raise ValueError("must be CRITICAL, ERROR, WARNING, INFO or DEBUG")
        return value.upper()

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        for name, url in (("EWMS_ADDRESS", self.ewms_address), ("EWMS_TOKEN_URL", self.token_url)):
            if not self.may_send_secrets_to(url):
                raise ValueError(f"{name} must be https:// beyond this machine; see TMS_PLAIN_HTTP")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.log_expiry_long < self.log_expiry_short:
            raise ValueError(
                "JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG must not be less than"
                " JOB_EVENT_LOG_MODIFICATION_EXPIRY_SHORT"
            )
        return self

    @model_validator(mode="after")
    def _is_no_machines(self) -> Self:
        """A job's own attribute hides the machine's of the same name from the requirements."""
        asked = set(re.findall(r"\w+", self.requirements.lower()))
        asked |= {site.attribute.lower() for site in self.excluded_sites}
        for name in self.submit_commands:
            if name.startswith("+") and name[1:].lower() in asked:
                raise ValueError(f"TMS_SUBMIT_COMMANDS has {name}, which jobs require of machines")
        return self

    @model_validator(mode="after")
    def _is_one_schedd(self) -> Self:
        if bool(self.condor_collector) != bool(self.condor_schedd):
            raise ValueError("TMS_CONDOR_COLLECTOR and TMS_CONDOR_SCHEDD must be set both or neither")
        if self.condor_schedd and self.schedd_name not in ("", self.condor_schedd):
            raise ValueError("TMS_CONDOR_SCHEDD and TMS_SCHEDD_NAME must not name different schedds")
        return self

    def may_send_secrets_to(self, url: str) -> bool:
        """Whether secrets may travel to `url`: over TLS, within this machine, or where it was asked for."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return False
        if parts.scheme == "https":
            return bool(host)
        return parts.scheme == "http" and bool(host) and (self.plain_http or is_loopback(host))

    def lines(self) -> Iterator[str]:
        """Every setting as `NAME=value`, for a person; what may be secret is masked."""
        for attribute, field in type(self).model_fields.items():
            if field.alias:
                yield f"{field.alias}={_shown(field, getattr(self, attribute))}"


def _missing_certificates(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with the certificates that the WMS client is to trust; requests reads them by itself."""
    return [
        f"{name} names no file or directory"
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        if environ.get(name) and not Path(environ[name]).exists()
    ]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by a name or address that cannot be another one."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_pilot_name(name: str) -> bool:
    """Whether an environment variable of this name is one of the pilot's own."""
    return re.fullmatch(r"_?EWMS_PILOT_[A-Za-z0-9_]*", name, re.ASCII) is not None


def _read_site(text: str, attributes: Iterable[str]) -> Site:
    """A site as an operator writes it, such as `AMNH`, `GLIDEIN_Site=AMNH` or `OSG_SITE_NAME=SU-ITS`."""
    attribute, equals, name = (part.strip() for part in text.partition("="))
    if not equals:
        return Site(sites.GLIDEIN, attribute)
    if attribute not in attributes or not name:
        raise ValueError(f"must name sites as NAME, or as {' or '.join(f'{a}=NAME' for a in attributes)}")
    return Site(attribute, name)


def _shown(field: FieldInfo, value: object) -> str:
    if isinstance(value, dict):
        separator = " " if field.alias == PILOT_ENVIRONMENT else "; "
        return separator.join(f"{key}={masked(key, val)}" for key, val in value.items())
    if isinstance(value, tuple):
        return (":" if value and isinstance(value[0], Path) else ",").join(map(str, value))
    return "" if value is None else str(value)


def _problem(error: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"{name} is missing"
    return f"{name} {_message(error)}".strip()


def _message(error: dict[str, Any]) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    complete = ("must", "has", "begins", "ends", "JOB_", "EWMS_", "TMS_", "site")
    return text if text.startswith(complete) else f"is not usable: {text}"
