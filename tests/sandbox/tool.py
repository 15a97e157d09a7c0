"""`python -m tests.sandbox.tool condor_q ...`: an HTCondor tool in the pool that the environment names."""

from __future__ import annotations

import sys

from tests.sandbox.control import PoolClient


def main() -> int:
    """Run the tool and pass its output on."""
    pool = PoolClient.from_environment()
    if pool is None:
        print("TMS_SANDBOX_POOL does not name a pool.", file=sys.stderr)
        return 2
    done = pool.tool(*sys.argv[1:], check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
