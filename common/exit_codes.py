"""The exit codes of every command."""

# 2 is argparse's own, for a wrong command line; 78 is EX_CONFIG of sysexits.h.
EX_OK, EX_FAILED, EX_CONFIG = 0, 1, 78
