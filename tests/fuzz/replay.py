"""Replay inputs on a target without atheris: ``python -m tests.fuzz.replay TARGET FILE…``.

Exit code 0: no findings. Prints the peak memory of this process in MiB.
"""

import faulthandler
import os
import sys
import time
from pathlib import Path

from tests.fuzz.targets import load
from tests.processes import peak_memory_mib

INPUT_S = 20
"""Time limit per input, seconds; then all stacks are printed and the process exits."""


def main() -> None:
    """Replay the inputs."""
    name, *files = sys.argv[1:]
    target = load(name)
    for file in map(Path, files):
        faulthandler.dump_traceback_later(INPUT_S, exit=True)
        start = time.monotonic()
        try:
            target(file.read_bytes())
        except BaseException:
            print(f"finding: {name} {file}", file=sys.stderr)  # noqa: T201 - for who runs it
            raise
        if (took := time.monotonic() - start) > 1:
            print(f"slow: {file} took {took:.1f} s", file=sys.stderr)  # noqa: T201
    faulthandler.cancel_dump_traceback_later()
    print(round(peak_memory_mib(os.getpid())))  # noqa: T201


if __name__ == "__main__":
    main()
