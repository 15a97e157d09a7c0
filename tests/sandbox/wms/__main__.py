"""The stand-in WMS as a process of its own: prints its environment, runs until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import signal

from tests.sandbox.wms.stand_in import StandInWms


def main() -> None:
    """Run the stand-in; GET / on EWMS_ADDRESS is a page for a person, /_control/faults switches faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.wms", description=main.__doc__)
    parser.add_argument("--schedd", default="ap1.example.org", help="its default for work put in from Python")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of the WMS; 0 takes a free one")
    parser.add_argument("--token-port", type=int, default=0, help="of the token service; 0 takes a free one")
    parser.add_argument("--token-seconds", type=int, default=20, help="lifetime of a token")
    parser.add_argument(
        "--leeway-seconds", type=int, default=60, help="how long the WMS takes an expired token"
    )
    parser.add_argument("--page-bytes", type=int, default=20_000, help="of a page of /query/taskforces")
    parser.add_argument("--broker-type", default="rabbitmq")
    parser.add_argument("--broker-address", default="rabbitmq.example.org:5671/ewms")
    options = vars(parser.parse_args())
    mqprofile = {name: options.pop(name) for name in ("broker_type", "broker_address")}
    # Blocked before any thread starts, so that the signal waits for sigwait and ends the process at once.
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        wms = StandInWms(mqprofile=mqprofile, **options)
    except OSError as error:
        parser.error(f"cannot listen: {error}")
    with wms:
        user = {"EWMS_USER_CLIENT_ID": wms.user_client_id, "EWMS_USER_CLIENT_SECRET": wms.user_client_secret}
        for name, value in (wms.environment() | user).items():
            print(f"{name}={value}", flush=True)
        signal.sigwait(ending)


if __name__ == "__main__":
    main()
