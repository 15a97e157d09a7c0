"""The files that make a Debian root one particular pool: configuration, users, the client's view."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.account import Account

# The same on every machine, and in no need of a name server: HTCondor takes its host's name from here.
HOST_NAME = "tms-sandbox"
# HTCondor's own place. Not below /tmp: the starter gives every job a /tmp of its own, which would hide it.
EXECUTE = "/var/lib/condor/execute"

_CONDOR = """\
use ROLE: CentralManager
use ROLE: Submit
use ROLE: Execute
if version >= 23.10
  use security: recommended({daemon_user})
else
  use security: recommended_v9_0({daemon_user})
endif
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS

LOCAL_DIR = {directory}
LOG = {directory}/log
SPOOL = {directory}/spool
LOCK = {directory}/lock
RUN = {directory}/run
EXECUTE = {execute}
CRED_STORE_DIR = {directory}/credentials
SEC_CREDENTIAL_DIRECTORY_OAUTH = {directory}/credentials
SEC_PASSWORD_DIRECTORY = {directory}/passwords
SEC_TOKEN_SYSTEM_DIRECTORY = {directory}/tokens
CONDOR_IDS = {daemon_uid}.{daemon_gid}

# One port on the loopback interface for everything.
NETWORK_INTERFACE = 127.0.0.1
NETWORK_HOSTNAME = {host_name}
ENABLE_IPV6 = False
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
SHARED_PORT_PORT = {port}

# A machine of its own in name only: nothing here may change this one, or send anybody mail.
ENABLE_KERNEL_TUNING = False
BASE_CGROUP =
COLLECTOR_BOOTSTRAP_SSL_CERTIFICATE = False
MAIL = /bin/true
SCHEDD_RESTART_REPORT =

# What happens to each job once more, in a log that no user can damage: for those who check the others.
EVENT_LOG = $(LOG)/EventLog
EVENT_LOG_MAX_SIZE = 0

# Slots are what is advertised, not what is there: many small jobs at once, and room for ordinary requests.
NUM_CPUS = {cpus}
MEMORY = {memory}
DISK = {disk}
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
RUNBENCHMARKS = 0

# Jobs start within two seconds (three, with a SCHEDD_MIN_INTERVAL of 1), and leave the queue as soon as they
# may; killed daemons come back at once.
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 0
PERIODIC_EXPR_INTERVAL = 5
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
UPDATE_INTERVAL = 5
STARTER_UPDATE_INTERVAL = 5
SHADOW_QUEUE_UPDATE_INTERVAL = 10
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 2

# What sites of the real pool advertise, and the TMS's requirements ask for.
HAS_SINGULARITY = True
HAS_CVMFS_icecube_opensciencegrid_org = True
OSG_OS_VERSION = "9"
GLIDEIN_Site = "sandbox"
STARTD_ATTRS = $(STARTD_ATTRS) HAS_SINGULARITY HAS_CVMFS_icecube_opensciencegrid_org
STARTD_ATTRS = $(STARTD_ATTRS) OSG_OS_VERSION GLIDEIN_Site
if version < 24.0
  # Newer ones find this out for themselves; 23.9.6 calls it HasUserNamespaces.
  SingularityUserNamespaces = True
  STARTD_ATTRS = $(STARTD_ATTRS) SingularityUserNamespaces
endif
"""

_CLIENT = """\
NETWORK_INTERFACE = 127.0.0.1
NETWORK_HOSTNAME = {host_name}
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
SEC_DEFAULT_AUTHENTICATION_METHODS = {methods}
SEC_TOKEN_DIRECTORY = {tokens}
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a pool's directory, which the machine and the pool's root see at the same place."""

    directory: Path

    @property
    def home(self) -> Path:
        """The pool's user's home."""
        return self.directory / "home"

    @property
    def log(self) -> Path:
        """The daemons' logs."""
        return self.directory / "log"

    @property
    def spool(self) -> Path:
        """The schedd's job queue and history."""
        return self.directory / "spool"

    @property
    def event_log(self) -> Path:
        """The pool's own record of all job events, from its start on."""
        return self.log / "EventLog"

    @property
    def cvmfs(self) -> Path:
        """What the pool's root sees as /cvmfs."""
        return self.directory / "cvmfs"

    @property
    def scratch(self) -> Path:
        """What the pool's root sees as /scratch; its user has a directory there."""
        return self.directory / "scratch"

    @property
    def site_programs(self) -> Path:
        """What the pool's root sees as /usr/local/libexec/condor: programs that its configuration names."""
        return self.directory / "site-programs"

    @property
    def client_config(self) -> Path:
        """The CONDOR_CONFIG of a client outside of the pool's root."""
        return self.directory / "client/condor_config"

    @property
    def client_tokens(self) -> Path:
        """The directory of that client's tokens."""
        return self.directory / "client/tokens"

    @property
    def control(self) -> Path:
        """The socket by which another process of the pool's user controls the pool."""
        return self.directory / "control"

    def binds(self, pilot_image: Path) -> dict[str, Path]:
        """What enter.sh binds over the root."""
        etc = self.directory / "etc"
        return {
            "/etc/passwd": etc / "passwd",
            "/etc/group": etc / "group",
            "/etc/condor/config.d": etc / "config.d",
            "/cvmfs": self.cvmfs,
            "/scratch": self.scratch,
            "/usr/local/libexec/condor": self.site_programs,
            "/opt/pilot": pilot_image,
            EXECUTE: self.directory / "execute",
        }


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """What distinguishes one pool from another; `extra` lines are for the pool and for its clients."""

    account: Account
    port: int
    cpus: int
    extra: Sequence[str] = ()
    client_needs_token: bool = False


def write_pool(layout: Layout, config: PoolConfig) -> None:
    """Makes the directories and files of a pool, with the owners that HTCondor insists on."""
    account = config.account
    # HTCondor's daemons run as a user "condor" if root starts them, otherwise all as the very user who does.
    daemons = Account("condor", *_free_ids(account)) if os.geteuid() == 0 else account
    for name in ("log", "spool", "lock", "run", "execute"):
        _make_directory(layout.directory / name, daemons, 0o755)
    for name in ("credentials", "passwords", "tokens"):
        (layout.directory / name).mkdir(mode=0o700)
    for directory in (layout.home, layout.client_config.parent, layout.client_tokens):
        _make_directory(directory, account, 0o700)
    for directory in (
        layout.cvmfs,
        layout.scratch,
        layout.site_programs,
        layout.directory / "etc/config.d",
    ):
        directory.mkdir(parents=True)
    _make_directory(layout.scratch / account.name, account, 0o755)

    etc = layout.directory / "etc"
    people = dict.fromkeys([account, daemons])
    passwd = [f"{who.name}:x:{who.uid}:{who.gid}::{layout.home}:/bin/sh\n" for who in people]
    group = [f"{who.name}:x:{who.gid}:\n" for who in people]
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n" + "".join(passwd), encoding="utf-8")
    (etc / "group").write_text("root:x:0:\n" + "".join(group), encoding="utf-8")

    extra = "".join(f"{line}\n" for line in config.extra)
    condor = _CONDOR.format(
        directory=layout.directory,
        execute=EXECUTE,
        daemon_user=daemons.name,
        daemon_uid=daemons.uid,
        daemon_gid=daemons.gid,
        host_name=HOST_NAME,
        port=config.port,
        cpus=config.cpus,
        memory=config.cpus * 4096,
        disk=config.cpus * 10_000_000,
    )
    (etc / "config.d/50-sandbox").write_text(condor + extra, encoding="utf-8")
    client = _CLIENT.format(
        host_name=HOST_NAME,
        port=config.port,
        methods="IDTOKENS" if config.client_needs_token else "FS",
        tokens=layout.client_tokens,
    )
    layout.client_config.write_text(client + extra, encoding="utf-8")
    os.chown(layout.client_config, account.uid, account.gid)


def write_token(layout: Layout, account: Account, token: str) -> None:
    """Gives the client a token to log in with."""
    file = layout.client_tokens / "pool"
    file.touch(mode=0o600)
    file.write_text(token, encoding="utf-8")
    os.chown(file, account.uid, account.gid)


def _make_directory(path: Path, owner: Account, mode: int) -> None:
    path.mkdir(mode=mode)
    path.chmod(mode)
    os.chown(path, owner.uid, owner.gid)


def _free_ids(account: Account) -> tuple[int, int]:
    return (101 if account.uid != 101 else 102), (101 if account.gid != 101 else 102)
