"""`python -m common.service.supervisord`: supervisord, closed to other processes of its account.

It holds the environment of the workers that it starts, including the client secret.
"""

from __future__ import annotations

from supervisor import supervisord

from common.privacy import keep_private


def main() -> None:
    """Run supervisord with our command line until it ends."""
    keep_private()
    supervisord.main()


if __name__ == "__main__":
    main()
