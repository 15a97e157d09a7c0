"""`python -m benchmarks.compress FILE`: how fast and how small the watcher compresses a job event log.

Times the service's own code, with its fsync, at each level of gzip. The file stays.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common.scratch.directory import Scratch
from watcher.files import archive

LEVELS = (1, 4, 6, 9)
NAME = "2026-11-22.tms.jel"


def main() -> int:
    """Compress the file that the command line names, once at each level."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compress", description=__doc__)
    parser.add_argument("file", type=Path)
    source = parser.parse_args().file
    size = source.stat().st_size
    print(f"{source}: {size / 1e6:.1f} MB")
    for level in LEVELS:
        with tempfile.TemporaryDirectory(dir=source.parent) as directory:
            scratch = Scratch(Path(directory))
            scratch.prepare()
            shutil.copyfile(source, scratch.directory / NAME)
            archive.LEVEL = level
            slowest, seconds = compress(scratch)
            packed = (scratch.directory / f"{NAME}.gz").stat().st_size
        speed, ratio = size / 1e6 / seconds, size / packed
        print(
            f"gzip -{level}: {speed:4.0f} MB/s, to {packed / 1e6:5.2f} MB (1/{ratio:.1f}),"
            f" longest step {1000 * slowest:.0f} ms"
        )
    return 0


def compress(scratch: Scratch) -> tuple[float, float]:
    """Seconds of the longest step, and of the whole work."""
    slowest, begun = 0.0, time.perf_counter()
    last = begun
    for _ in archive.compress_log(scratch, NAME, time.time()):
        now = time.perf_counter()
        slowest, last = max(slowest, now - last), now
    end = time.perf_counter()
    return max(slowest, end - last), end - begun


if __name__ == "__main__":
    sys.exit(main())
