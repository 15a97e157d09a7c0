"""The exit codes of every command."""

EX_OK = 0
EX_FAILED = 1
EX_USAGE = 2  # a wrong command line; argparse has the same
EX_BUG = 3  # of `tms health`: a worker's last pass ended with a bug of ours, which waiting does not cure
EX_CONFIG = 78  # wrong settings; as in sysexits.h
