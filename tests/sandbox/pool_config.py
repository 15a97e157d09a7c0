"""The files that make a Debian root one particular pool: configuration, users, the client's view."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.account import Account

# The same on every machine, and in no need of a name server: HTCondor takes its host's name from here.
HOST_NAME = "tms-sandbox"
# Not the package's own place: ewms-pilot 1.0.5 gives its tasks no directory below /var, and sites have their
# jobs' directories elsewhere, too. Not below /tmp: the starter gives every job a /tmp of its own, which would
# hide it.
EXECUTE = "/scratch/execute"

# Where the daemons and their clients meet. The pool and its clients have this.
_NETWORK = """\
# On the loopback interface, so that nobody outside of this machine can submit; the daemons would also take
# the machine's IPv6 address.
NETWORK_INTERFACE = 127.0.0.1
ENABLE_IPV6 = False
# The machine's own name need not resolve, and tests know this one.
NETWORK_HOSTNAME = {host_name}
# One port for everything, as several pools run on a machine at once.
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
SHARED_PORT_PORT = {port}
"""

# What keeps the daemons away from the machine on which they run. The pool alone has this.
_MACHINE = """\
# The root is read-only, and pools share it: what daemons write is in the pool's directory.
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
# A collector that root starts would put a certificate of its own into the read-only /etc.
COLLECTOR_BOOTSTRAP_SSL_CERTIFICATE = False
# An account of the pool's own, as the machine need not have one for HTCondor.
CONDOR_IDS = {daemon_uid}.{daemon_gid}
# A machine of its own in name only: a master that root starts would change kernel parameters and cgroups.
ENABLE_KERNEL_TUNING = False
BASE_CGROUP =
# No mail leaves a test.
MAIL = /bin/true
SCHEDD_RESTART_REPORT =
"""

# The package's security settings with another daemon account: an ordinary user's daemons run as that user.
_OWN_ACCOUNT = """\
if version >= 23.10
  use security: recommended({daemon_user})
else
  use security: recommended_v9_0({daemon_user})
endif
# The package's own file names "condor" in these (23.9.6).
ALLOW_DAEMON = {daemon_user}@$(UID_DOMAIN)
ALLOW_NEGOTIATOR = {daemon_user}@$(UID_DOMAIN)
ALLOW_ADMINISTRATOR = {daemon_user}@$(UID_DOMAIN)
"""

# What tests need and an unchanged pool has not. Nothing but the last line is about what a machine can do.
_TESTS = """\
# What happens to each job once more, in a log that no user can damage: for those who check the others.
EVENT_LOG = $(LOG)/EventLog
EVENT_LOG_MAX_SIZE = 0
# Slots are what is advertised, not what is there: many small jobs at once, and room for ordinary requests.
NUM_CPUS = {cpus}
MEMORY = {memory}
DISK = {disk}
# Jobs start within two seconds (three, with a SCHEDD_MIN_INTERVAL of 1), and leave the queue as soon as they
# may; the package's values are 2 to 5 seconds (NEGOTIATOR_MIN_INTERVAL: 20, PERIODIC_EXPR_INTERVAL: 60).
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 0
PERIODIC_EXPR_INTERVAL = 5
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
# Killed daemons come back at once; the package's master waits 9 seconds and more.
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 2
# What the TMS's requirements ask for and no pool has by itself: the site advertises that it mounts the
# repository.
HAS_CVMFS_icecube_opensciencegrid_org = True
STARTD_ATTRS = $(STARTD_ATTRS) HAS_CVMFS_icecube_opensciencegrid_org
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
    def tokens(self) -> Path:
        """The directory of the user's tokens, where the pool has any."""
        return self.home / "tokens"

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
        }


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """What distinguishes one pool from another; `extra` lines are for the pool and for its clients.

    A `stock` pool has the package's configuration, and beside it only what keeps it away from the machine.
    """

    account: Account
    port: int
    cpus: int
    extra: Sequence[str] = ()
    stock: bool = False


def write_pool(layout: Layout, config: PoolConfig, root: Path) -> None:
    """Makes the directories and files of a pool, with the owners that HTCondor insists on.

    Its configuration begins with the files that the package has installed in `root`.
    """
    account = config.account
    # HTCondor's daemons run as a user "condor" if root starts them, otherwise all as the very user who does.
    daemons = Account("condor", *_free_ids(account)) if os.geteuid() == 0 else account
    for name in ("log", "spool", "lock", "run"):
        _make_directory(layout.directory / name, daemons, 0o755)
    for name in ("credentials", "passwords", "tokens"):
        (layout.directory / name).mkdir(mode=0o700)
    for directory in (layout.home, layout.client_config.parent):
        _make_directory(directory, account, 0o700)
    for directory in (layout.cvmfs, layout.scratch, layout.site_programs):
        directory.mkdir(parents=True)
    _make_directory(layout.scratch / account.name, account, 0o755)
    _make_directory(layout.scratch / Path(EXECUTE).name, daemons, 0o755)

    etc = layout.directory / "etc"
    package = root / "etc/condor"
    shutil.copytree(package / "config.d", etc / "config.d")
    people = dict.fromkeys([account, daemons])
    passwd = [f"{who.name}:x:{who.uid}:{who.gid}::{layout.home}:/bin/sh\n" for who in people]
    group = [f"{who.name}:x:{who.gid}:\n" for who in people]
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n" + "".join(passwd), encoding="utf-8")
    (etc / "group").write_text("root:x:0:\n" + "".join(group), encoding="utf-8")

    network = _NETWORK.format(host_name=HOST_NAME, port=config.port)
    machine = _MACHINE.format(
        directory=layout.directory, execute=EXECUTE, daemon_uid=daemons.uid, daemon_gid=daemons.gid
    )
    own_account = _OWN_ACCOUNT.format(daemon_user=daemons.name) if daemons == account else ""
    tests = _TESTS.format(
        cpus=config.cpus, memory=config.cpus * 4096, disk=config.cpus * 10_000_000
    ) + "".join(f"{line}\n" for line in config.extra)
    shared = network if config.stock else network + tests
    (etc / "config.d/50-sandbox").write_text(own_account + machine + shared, encoding="utf-8")
    _write_client(layout, package, shared)
    for path in (layout.client_config.parent, *layout.client_config.parent.rglob("*")):
        os.chown(path, account.uid, account.gid)


def _write_client(layout: Layout, package: Path, shared: str) -> None:
    """The access point's /etc/condor as a container sees it: these files, and nothing of its /var.

    So a client finds the schedd by asking the collector, and not by address files of the daemons.
    """
    client = layout.client_config.parent
    shutil.copytree(package / "config.d", client / "config.d")
    (client / "config.d/50-sandbox").write_text(shared, encoding="utf-8")
    text = (package / "condor_config").read_text(encoding="utf-8")
    for name, value in (
        ("LOCAL_CONFIG_DIR", f"{client}/config.d"),
        ("LOCAL_CONFIG_FILE", f"{client}/condor_config.local"),
        ("LOCAL_DIR", f"{client}/var"),
    ):
        text, found = re.subn(rf"(?m)^{name} *=.*$", f"{name} = {value}", text)
        if not found:
            raise ValueError(f"the package's condor_config has no {name}")
    layout.client_config.write_text(text, encoding="utf-8")


def write_token(layout: Layout, account: Account, token: str) -> None:
    """Gives the pool's user a token to log in with.

    HTCondor looks in ~/.condor/tokens.d, where ~ is from /etc/passwd, and a person's is not ours to write in.
    So the client's configuration names the directory, as an operator's may.
    """
    _make_directory(layout.tokens, account, 0o700)
    file = layout.tokens / "pool"
    file.touch(mode=0o600)
    file.write_text(token, encoding="utf-8")
    config = layout.client_config.parent / "config.d/60-token"
    config.write_text(f"SEC_TOKEN_DIRECTORY = {layout.tokens}\n", encoding="utf-8")
    for path in (file, config):
        os.chown(path, account.uid, account.gid)


def _make_directory(path: Path, owner: Account, mode: int) -> None:
    path.mkdir(mode=mode)
    path.chmod(mode)
    os.chown(path, owner.uid, owner.gid)


def _free_ids(account: Account) -> tuple[int, int]:
    return (101 if account.uid != 101 else 102), (101 if account.gid != 101 else 102)
