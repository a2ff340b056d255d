"""One target under atheris, in a process of its own: ``python -m tests.fuzz.child TARGET ARGS…``.

The arguments are libFuzzer's (https://llvm.org/docs/LibFuzzer.html).
"""

import importlib
import sys
from typing import Any

from tests.fuzz.targets import TARGETS, load

_WATCHED = [
    *("common.wire.protocol", "common.wire.messages", "common.domain", "common.formats"),
    *("pydicom.filereader", "pydicom.values", "pydicom.pixels.utils", "nibabel.nifti1"),
]
"""Not all of the libraries: to watch each of their modules takes a minute at each start."""


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    atheris: Any = importlib.import_module("atheris")
    name, *arguments = sys.argv[1:]
    # What is imported in here tells atheris which branches an input took.
    with atheris.instrument_imports(include=_WATCHED):
        target = load(name)
    largest = TARGETS[name][1]
    atheris.Setup([sys.argv[0], f"-max_len={largest}", *arguments], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
