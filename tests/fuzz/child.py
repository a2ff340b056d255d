"""Fuzz one target with atheris: ``python -m tests.fuzz.child TARGET ARGS…``.

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
"""Modules to instrument; instrumenting whole libraries would take a minute at each start."""


def main() -> None:
    """Fuzz until libFuzzer exits the process."""
    atheris: Any = importlib.import_module("atheris")
    name, *arguments = sys.argv[1:]
    # Instrument what is imported here, so that atheris sees which branches an input takes.
    with atheris.instrument_imports(include=_WATCHED):
        target = load(name)
    largest = TARGETS[name][1]
    atheris.Setup([sys.argv[0], f"-max_len={largest}", *arguments], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
