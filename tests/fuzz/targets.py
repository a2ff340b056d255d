"""What is fuzzed: each target takes any bytes, and only a finding makes it raise.

Our errors (``FrError``) are the right answer to bad input and stay inside. Time and memory are
bounded from outside, by whoever calls a target.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

Target = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
"""Seeds, a folder a target: ``seeds`` makes them."""
FINDINGS = Path(__file__).parent / "findings"
"""Inputs that once were findings, a folder a target."""

TARGETS: dict[str, tuple[str, int]] = {
    # name: (its module, the largest input in bytes)
    "wire": ("tests.fuzz.wire", 16 * 1024),
    "nifti": ("tests.fuzz.images", 8 * 1024),
    "dicom": ("tests.fuzz.images", 16 * 1024),
    "stack": ("tests.fuzz.images", 2 * 1024),
}


def load(name: str) -> Target:
    """A target by its name. Its parser is imported only here, for atheris to watch it."""
    target: Target = getattr(importlib.import_module(TARGETS[name][0]), name)
    return target
