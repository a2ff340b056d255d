"""The fuzz targets: each accepts any bytes and raises only on a finding.

A target catches ``FrError``, the correct response to bad input. Its caller limits time and memory.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

Target = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
"""Seeds, one folder per target; ``seeds`` generates them."""
FINDINGS = Path(__file__).parent / "findings"
"""Former findings, one folder per target."""

TARGETS: dict[str, tuple[str, int]] = {
    # name: (its module, the largest input in bytes)
    "wire": ("tests.fuzz.wire", 16 * 1024),
    "nifti": ("tests.fuzz.images", 8 * 1024),
    "dicom": ("tests.fuzz.images", 16 * 1024),
    "stack": ("tests.fuzz.images", 2 * 1024),
    "ecg": ("tests.fuzz.ecgs", 16 * 1024),
}


def load(name: str) -> Target:
    """Look up a target by name; its parser is imported here, so that atheris instruments it."""
    target: Target = getattr(importlib.import_module(TARGETS[name][0]), name)
    return target
